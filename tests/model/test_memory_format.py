"""Narrow residual networks on a CPU: torch's channels-last convolutions would end the process by a signal."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from torch import nn

from calrun.experiment import build
from calrun.model.memory_format import safe_channels_last
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


@pytest.mark.slow
@pytest.mark.parametrize("width", [1, 2])
def test_a_narrow_residual_network_trains_on_two_threads(width: int, tmp_path: Path) -> None:
    pictures, labels = np.random.default_rng(0).random((600, 28, 28), np.float32), np.arange(600) % 2
    np.savez(tmp_path / "own.npz", x_train=pictures, y_train=labels, x_test=pictures, y_test=labels)
    words = [
        *("dataset=npz", f"dataset.path={tmp_path / 'own.npz'}", "model=resnet18", f"model.width={width}"),
        *("trainer=cpu", "trainer.num_threads=2", "trainer.batch_size=256", "trainer.max_epochs=4"),
        *("stop=fixed_epochs", "budget=counts", "budget.start=512", "budget.rounds=1", f"paths.outputs={tmp_path}"),
    ]
    ended = subprocess.run(
        [sys.executable, "-m", "calrun.cli", "run", *words], capture_output=True, text=True, cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stderr
