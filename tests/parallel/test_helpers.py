"""Processes that wait for the first one take a share of its passes over rows: the same numbers, bit for bit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from calrun.acquisition.kernel import factors
from calrun.acquisition.kernel.factors import Chunk, Factor, Points
from calrun.acquisition.kernel.farthest_first import farthest_first
from calrun.acquisition.kernel.kmeans_plusplus import kmeans_plusplus, largest_norm
from calrun.parallel import world
from calrun.parallel.helpers import num_helpers

Together = Callable[[Callable[[int], Any], int], list[Any]]
GENERATOR = torch.Generator().manual_seed(0)
LOGITS_NC, FEATURES_ND = torch.randn(1000, 5, generator=GENERATOR), torch.randn(1000, 40, generator=GENERATOR)


def chosen(select: Callable[[], Any]) -> tuple[Any, int]:
    """What this process gets of `of_first`, and how many rows it measured distances to 32 or more centres of."""
    seen: list[int] = []
    measured = factors.nearest_distance

    def noted(points: Chunk, centres: Chunk) -> torch.Tensor:
        seen.append(len(points.norms_B) * (len(centres.norms_B) >= 32))
        return measured(points, centres)

    factors.nearest_distance = noted  # this process is a fork of its own
    return world.of_first(select), sum(seen)


def badge() -> list[int]:
    points = Points([Factor(LOGITS_NC), Factor(FEATURES_ND)], 64)
    return kmeans_plusplus(points, 150, np.random.default_rng(0), largest_norm).tolist()


def coreset() -> list[int]:
    points = Points([Factor(FEATURES_ND.half(), lambda block_BD: block_BD - 0.5)], 64)
    nearest_N = points.nearest(points.block(slice(0, 100)))
    return farthest_first(points, 150, np.random.default_rng(0), nearest_N).tolist()


@pytest.mark.parametrize("select", [badge, coreset])
@pytest.mark.parametrize("size", [2, 3])
def test_the_picks_of_several_are_those_of_one(
    select: Callable[[], list[int]], size: int, together: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factors, "LEAST_WORK", 0)
    monkeypatch.setattr(factors, "LEAST_CENTRES", 32)
    alone = select()
    assert len(set(alone)) == 150
    answers = together(lambda rank: chosen(select), size)
    assert [picks for picks, _ in answers] == [alone] * size
    rows = np.array([rows for _, rows in answers])
    assert rows.min() > 0.2 * rows.sum()
    assert rows.sum() % 1000 == 0  # every row in every pass, by one process each


def test_small_passes_are_the_first_ones_alone(together: Together, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factors, "LEAST_CENTRES", 32)
    (_, first), (_, second) = together(lambda rank: chosen(badge), 2)
    assert first > 0
    assert second == 0


def test_rows_are_not_sent_for_a_few_centres(together: Together, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factors, "LEAST_WORK", 0)
    monkeypatch.setattr(factors, "LEAST_CENTRES", 200)  # more than are chosen
    (_, first), (_, second) = together(lambda rank: chosen(badge), 2)
    assert first > 0
    assert second == 0


def test_a_process_alone_has_no_helpers() -> None:
    assert num_helpers() == 0
    assert world.of_first(lambda: 7) == 7


def test_two_choices_after_each_other_lend_anew(together: Together, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factors, "LEAST_WORK", 0)
    monkeypatch.setattr(factors, "LEAST_CENTRES", 32)
    alone = [badge(), coreset(), badge()]
    (first, _), (second, _) = together(lambda rank: chosen(lambda: [badge(), coreset(), badge()]), 2)
    assert first == second == alone
