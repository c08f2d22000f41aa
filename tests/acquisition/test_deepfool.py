from typing import Any

import pytest
import torch
from torch import Tensor, nn

from calrun.acquisition.deepfool import DeepFool
from calrun.acquisition.mase import boundary_gap, leave_distance


def deepfool(**options: Any) -> DeepFool:
    return DeepFool(
        **{"max_iter": 50, "overshoot": 0.02, "epsilon": 1e-4, "top_classes": None, "batch_size": 16, **options}
    )


def affine(seed: int) -> tuple[nn.Linear, Tensor]:
    torch.manual_seed(seed)
    return nn.Linear(6, 5).double(), torch.randn(40, 6).double()


def curved(seed: int) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 5)).double(), torch.randn(20, 6).double()


@pytest.mark.parametrize("seed", range(3))
def test_an_affine_net_is_fooled_by_the_distance_to_its_boundary(seed: int) -> None:
    net, x = affine(seed)
    distance_N = leave_distance(net(x).detach(), boundary_gap(net.weight.detach()))
    torch.testing.assert_close(deepfool().lengths(net, x), 1.02 * (distance_N + 1e-4))


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_gives_the_same_lengths_as_row_after_row(seed: int) -> None:
    net, x = curved(seed)
    alone = torch.cat([deepfool().lengths(net, row[None]) for row in x])
    torch.testing.assert_close(deepfool().lengths(net, x), alone)


def test_a_curved_net_needs_several_steps_and_changes_its_mind_at_the_end() -> None:
    net, x = curved(0)
    first, last = deepfool(max_iter=1).lengths(net, x), deepfool().lengths(net, x)
    assert (first != last).any()
    directions = torch.nn.functional.normalize(
        torch.randn(2000, 6, generator=torch.Generator().manual_seed(0)).double(), dim=1
    )
    for row, length in zip(x, last, strict=True):  # no random step of half that length changes the prediction
        assert (net(row + 0.5 * length * directions).argmax(dim=1) == net(row).argmax()).all()


def test_the_likeliest_classes_are_enough_for_an_affine_net_with_equal_weights() -> None:
    net, x = affine(0)
    net.weight.data = torch.eye(5, 6).double()  # all boundaries are sqrt(2) apart: the runner-up is the nearest
    torch.testing.assert_close(deepfool(top_classes=2).lengths(net, x), deepfool().lengths(net, x))


def test_a_net_without_slope_cannot_be_fooled() -> None:
    x = torch.randn(3, 6)
    lengths_B = deepfool().lengths(lambda x: 0 * x[:, :2] + torch.tensor([0.0, 1.0]), x)
    assert (lengths_B == torch.finfo(torch.float32).max).all()


def test_one_class_alone_is_no_rival() -> None:
    with pytest.raises(ValueError, match="top_classes is 1, wanted at least 2"):
        deepfool(top_classes=1)
