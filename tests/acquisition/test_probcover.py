"""ProbCover: greedy maximum coverage by balls."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from calrun.acquisition import probcover as module
from calrun.acquisition.base import Candidates
from calrun.acquisition.kernel.factors import Factor, Points
from calrun.acquisition.margin import Margin
from calrun.acquisition.probcover import ProbCover, greedy_cover
from calrun.acquisition.random import RandomRows


def literal(x_ND: Tensor, covered_N: Tensor, budget: int, delta: float) -> list[int]:
    near_NN = torch.cdist(x_ND, x_ND, compute_mode="donot_use_mm_for_euclid_dist") < delta
    covered_N, picks = covered_N.clone(), []
    while len(picks) < budget and not covered_N.all():
        gains_N = (near_NN & ~covered_N).sum(dim=1)
        gains_N[picks] = -1
        picks.append(int(gains_N.argmax()))
        covered_N |= near_NN[picks[-1]]
    return picks


@pytest.mark.parametrize(("seed", "delta"), [*itertools.product(range(4), [0.3, 0.8, 2.0])])
def test_picks_are_those_of_brute_force(seed: int, delta: float) -> None:
    x_ND = torch.randn(70, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    covered_N = torch.arange(70) % 9 == 0
    found = greedy_cover(Points([Factor(x_ND)], 16), covered_N, 40, delta)
    assert found.tolist() == literal(x_ND, covered_N, 40, delta)


def chosen(x_ND: Tensor, labelled_LD: Tensor, budget: int, delta: float | str, num_classes: int = 3) -> list[int]:
    columns = {"features": x_ND, "labelled_features": labelled_LD, "head_bias": torch.zeros(num_classes)}
    candidates = Candidates(np.arange(len(x_ND)), columns)
    acquisition = ProbCover(delta, normalize=False, fallback=RandomRows(), memory_gib=None)
    return acquisition.select(candidates, budget, np.random.default_rng(0)).tolist()


def test_coverage_is_within_its_bound_of_the_best() -> None:
    for seed in range(6):
        x_ND = torch.randn(10, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        near_NN = torch.cdist(x_ND, x_ND) < 0.7
        best = max(int(near_NN[list(s)].any(dim=0).sum()) for s in itertools.combinations(range(10), 3))
        assert int(near_NN[chosen(x_ND, x_ND[:0], 3, 0.7)].any(dim=0).sum()) >= (1 - 1 / np.e) * best


@pytest.mark.parametrize(("delta", "first"), [(0.5, 1), (2.0, 3)])
def test_labelled_rows_cover_balls_of_the_same_radius(delta: float, first: int) -> None:
    """Distances to the labelled row: 0.3, 0.6, 1.9, 2.1; each candidate's own ball holds no other that is open."""
    x_ND = torch.tensor([[0.3, 0.0], [0.0, 0.6], [-1.9, 0.0], [0.0, -2.1]])
    assert chosen(x_ND, torch.zeros(1, 2), 1, delta) == [first]


def test_tiny_balls_cover_themselves_in_row_order_to_the_very_last_row() -> None:
    x_ND = torch.arange(30.0)[:, None]
    assert chosen(x_ND, x_ND[:0], 30, 1e-3) == list(range(30))


def test_one_huge_ball_covers_all_and_the_fallback_fills_up() -> None:
    x_ND = torch.arange(30.0)[:, None]
    picks = chosen(x_ND, x_ND[:0], 8, 100.0)
    assert picks[0] == 0
    assert len(set(picks)) == 8
    assert picks != list(range(8))


class Watcher(RandomRows):
    """A fallback that remembers what it was shown."""

    needs = frozenset({"labelled_features"})
    seen: dict[str, Any] | None = None

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        self.seen = candidates.columns
        return super().select(candidates, budget, rng)


@pytest.mark.parametrize("budget", [2, 5])
def test_the_fallback_is_shown_what_it_needs_and_only_if_rows_are_missing(
    budget: int, capsys: pytest.CaptureFixture[str]
) -> None:
    x_ND = torch.tensor([[0.0], [0.1], [0.2], [5.0], [9.0], [9.1]])
    candidates, fallback = Candidates(np.arange(6), {"features": x_ND, "labelled_features": x_ND[3:4]}), Watcher()
    acquisition = ProbCover(0.5, False, fallback, None)
    acquisition.select(candidates, budget, np.random.default_rng(0))
    assert acquisition.notes() == {"delta": 0.5, "covering_picks": 2, "fallback_picks": budget - 2}
    said = capsys.readouterr().err
    if budget == 2:
        assert fallback.seen is None
        assert not said
    else:
        assert "balls of radius 0.5 around 1 labelled rows and 2 picks cover all 6 candidates" in said
        assert "the other 3 of 5 picks are those of Watcher" in said
        assert fallback.seen is not None
        assert fallback.seen.keys() == {"labelled_features"}
        assert fallback.seen["labelled_features"].flatten().tolist() == x_ND[[3, 0, 4], 0].tolist()


def test_what_labelled_rows_cover_is_not_covered_again() -> None:
    x_ND = torch.tensor([[0.0], [0.1], [0.2], [5.0], [9.0], [9.1]])
    assert chosen(x_ND, torch.tensor([[0.05]]), 2, 0.5) == [4, 3]


def test_too_many_pairs_are_refused_before_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 20)
    with pytest.raises(ValueError, match=r"probcover compares 30 rows .* acquisition=partitioned"):
        chosen(torch.arange(30.0)[:, None], torch.empty(0, 1), 2, 0.1)


def test_a_fallback_that_needs_the_labels_of_the_rows_just_chosen_is_refused() -> None:
    fallback = Margin(space="prob", mc_dropout=False, num_mc_samples=10, memory_gib=None)
    fallback.needs = frozenset({"labelled_logits"})
    with pytest.raises(ValueError, match="choose random or typiclust"):
        ProbCover(0.5, True, fallback, None)


def test_a_round_tells_how_many_picks_cover(play: Callable[..., Any], tmp_path: Path) -> None:
    answer = play("acquisition=probcover", "acquisition.delta=5", "budget.rounds=2")
    assert answer.code == 0
    assert len(answer.err.splitlines()) == 1
    assert "cover all 180 candidates, so that the other 20 of 20 picks are those of RandomRows" in answer.err
    (path,) = tmp_path.rglob("rounds.jsonl")
    notes = [json.loads(line)["notes"] for line in path.read_text().splitlines()]
    assert notes == [{"delta": 5, "covering_picks": 0, "fallback_picks": 20}, {}]


def test_balls_of_the_papers_radius_cover_clusters_and_not_everything_at_once() -> None:
    generator = torch.Generator().manual_seed(0)
    x_ND = (4 * torch.eye(4)).repeat_interleave(25, dim=0) + torch.randn(100, 4, generator=generator)
    picks = chosen(x_ND, x_ND[:0], 4, "purity", num_classes=4)
    assert sorted(pick // 25 for pick in picks) == [0, 1, 2, 3]
