"""Narrow residual networks on a CPU: torch's channels-last convolutions would end the process by a signal."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from omegaconf import DictConfig
from torch import nn

from calrun.experiment import build
from calrun.model.adapt.memory_format import safe_channels_last
from calrun.model.resnet18 import resnet18

HERE, ELSEWHERE = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(("width", "safe"), [(1, False), (2, False), (8, False), (15, False), (16, True)])
def test_narrow_strided_projections_are_unsafe_on_the_host_alone(width: int, safe: bool) -> None:
    net = resnet18(2, (1, 8, 8), width)
    assert safe_channels_last(net, HERE) == safe
    assert safe_channels_last(net, ELSEWHERE)


@pytest.mark.parametrize("layer", [nn.Conv2d(3, 6, 1), nn.Conv2d(3, 6, 3, stride=2), nn.Linear(3, 6)])
def test_other_layers_are_safe(layer: nn.Module) -> None:
    assert safe_channels_last(nn.Sequential(layer), HERE)


@pytest.mark.parametrize(("width", "last"), [(2, False), (16, True)])
def test_training_and_scoring_follow_one_decision(width: int, last: bool, configure: Callable[..., DictConfig]) -> None:
    exp = build(configure("model=resnet18", f"model.width={width}"))
    assert exp.method.setup_.channels_last == exp.predictor.channels_last == last


TRAIN = """
import sys, torch
from calrun.model.adapt.memory_format import safe_channels_last
torch.set_num_threads(2)
width = int(sys.argv[1])
layer = torch.nn.Conv2d(width, 2 * width, 1, stride=2, bias=False)
last = safe_channels_last(layer, torch.device("cpu"))
order = torch.channels_last if last else torch.contiguous_format
layer.to(memory_format=order)
for extra in range(30):
    x = torch.randn(256 + extra, width, 28, 28).to(memory_format=order).requires_grad_()
    layer(x).sum().backward()
"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [1, 4, 12, 16])
def test_a_strided_projection_trains_on_two_threads_as_it_is_decided(width: int) -> None:
    """Channels-last, widths 1, 4 and 12 end by a signal; whole networks do so now and then."""
    ended = subprocess.run([sys.executable, "-c", TRAIN, str(width)], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
