import torch
from torch import nn

from calrun.model.adapt.forward_work import forward_work


def test_work_is_that_of_one_row_by_hand() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 5 * 5, 10))
    work = forward_work(net, torch.zeros(3, 1, 5, 5))
    assert work.flops == 2 * (25 * 4 * 9 + 100 * 10)
    assert work.activation_bytes == 4 * (100 + 100 + 100 + 10)


def test_shapes_alone_are_enough_and_the_network_stays_as_it_was() -> None:
    with torch.device("meta"):
        net, x = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4)).train(), torch.empty(2, 6)
    assert forward_work(net, x).flops == 2 * 6 * 4
    assert net.training
    assert all(not module._forward_hooks for module in net.modules())


def test_another_way_through_the_network_can_be_asked_for() -> None:
    net = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 2))
    assert forward_work(net, torch.zeros(2, 6), net[0]).flops == 2 * 6 * 4
