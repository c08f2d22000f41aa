import torch
from torch import nn

from calrun.model.lenet import lenet


def test_the_order_is_the_papers_list_of_operations() -> None:
    """Beck et al. 2021, App. A.4; the flattening stands between steps 6 and 7, step 10 is the head."""
    net = lenet(10, (1, 28, 28), channels=[32, 64], hidden=128, dropout_conv=0.25, dropout_hidden=0.5)
    kinds = [type(module) for module in net.backbone]
    convolutions = [nn.Conv2d, nn.ReLU, nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.Dropout2d]
    assert kinds == [*convolutions, nn.Flatten, nn.Linear, nn.ReLU, nn.Dropout]
    assert net.backbone[7].in_features == 64 * 12 * 12


def test_it_takes_small_colour_pictures_too() -> None:
    net = lenet(4, (3, 9, 8), channels=[2, 3], hidden=5, dropout_conv=0.25, dropout_hidden=0.5)
    assert net(torch.zeros(2, 3, 9, 8)).logits_BC.shape == (2, 4)
