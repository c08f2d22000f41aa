"""Dropout before the head, against dropout layers of torch, and as a user types it.

Dimension key: N candidates, B rows, C classes, D features, T passes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from calrun.acquisition.base import Candidates
from calrun.acquisition.entropy import Entropy
from calrun.acquisition.head_dropout import HeadDropout, log_mean_prediction


def columns(number: int = 50) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"features": (number, 6), "head_weight": (4, 6), "head_bias": (4,)}
    return {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in shapes.items()}


def chosen(acquisition: Any, world: dict[str, Tensor], budget: int = 9) -> list[int]:
    rows = np.arange(100, 100 + len(world["features"]))
    return acquisition.select(Candidates(rows, world), budget, np.random.default_rng(5)).tolist()


@pytest.mark.parametrize("p", [0.2, 0.5])
def test_the_rows_with_the_largest_entropy_of_the_mean_prediction_are_taken(p: float) -> None:
    world = columns()
    masks = np.random.default_rng(5).random((10, 6)) >= p
    mean_NC = torch.zeros(50, 4, dtype=torch.float64)
    for mask in masks:
        dropped_ND = world["features"] * torch.from_numpy(mask) / (1 - p)
        mean_NC += (dropped_ND @ world["head_weight"].T + world["head_bias"]).softmax(dim=1) / 10
    entropy_N = -(mean_NC * mean_NC.log()).sum(dim=1)
    assert chosen(HeadDropout(p, 10, None), world) == (100 + entropy_N.argsort(descending=True)[:9]).tolist()


def test_without_dropout_it_is_plain_entropy() -> None:
    world = columns()
    logits_NC = world["features"] @ world["head_weight"].T + world["head_bias"]
    assert chosen(HeadDropout(0.0, 3, None), world) == chosen(Entropy(False, 0, None), {**world, "logits": logits_NC})


def test_the_mean_is_one_of_probabilities() -> None:
    features_BD, mask_TD = torch.randn(5, 6), (torch.rand(7, 6) > 0.5).float() * 2
    log_BC = log_mean_prediction(features_BD, mask_TD, torch.randn(4, 6), torch.randn(4))
    torch.testing.assert_close(log_BC.exp().sum(dim=1), torch.ones(5))


def test_it_plays_and_plans_as_typed(calrun: Callable[..., Any], small: tuple[str, ...]) -> None:
    assert "fits: at most" in calrun("plan", *small, "acquisition=head_dropout").out
    answer = calrun("run", *small, "acquisition=head_dropout")
    assert answer.code == 0, answer.err


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("p=1", "acquisition.p wants a share from 0 to below 1, got 1"),
        ("num_passes=0", "acquisition.num_passes wants at least 1, got 0"),
    ],
)
def test_wrong_options_are_refused_as_typed(
    word: str, said: str, refusal: Callable[..., str], small: tuple[str, ...]
) -> None:
    assert said in refusal("run", *small, "acquisition=head_dropout", f"acquisition.{word}")
