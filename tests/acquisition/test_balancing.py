from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from calrun.acquisition.balancing import Balancing, can_still_even_out
from calrun.acquisition.base import Candidates

C, D, N, L = 3, 4, 60, 30


def world(seed: int, labelled_counts: tuple[int, ...], spread: float = 1.0) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)
    centre_CD = 5 * torch.randn(C, D, generator=generator).double()
    labelled_L = torch.repeat_interleave(torch.arange(C), torch.tensor(labelled_counts))
    oracle_N = torch.arange(N) % C

    def features(class_N: Tensor) -> Tensor:
        return centre_CD[class_N] + spread * torch.randn(len(class_N), D, generator=generator).double()

    return {
        "features": features(oracle_N),
        "labelled_features": features(labelled_L),
        "labelled_targets": labelled_L,
        "oracle": oracle_N,
        "head_bias": torch.zeros(C),
    }


def picks(columns: dict[str, Any], budget: int, denominator: str = "max", seed: int = 0) -> list[int]:
    balancing = Balancing(denominator, memory_gib=None)
    return balancing.select(Candidates(np.arange(N), columns), budget, np.random.default_rng(seed)).tolist()


def best_by_definition(columns: dict[str, Any], batch: list[int], denominator: str) -> int:
    features_ND = np.concatenate([columns["labelled_features"].numpy(), columns["features"].numpy()[batch]])
    class_N = np.concatenate([columns["labelled_targets"].numpy(), columns["oracle"].numpy()[batch]])
    counts = np.bincount(class_N, minlength=C)
    target = int(np.argmin(counts))

    def squared(row: int, c: int) -> float:
        return float(((columns["features"].numpy()[row] - features_ND[class_N == c].mean(axis=0)) ** 2).sum())

    def score(row: int) -> float:
        frequent = [squared(row, c) for c in range(C) if counts[c] > counts.mean()]
        return (squared(row, target) if counts[target] else 1.0) / getattr(np, denominator)(frequent)

    return min((row for row in range(N) if row not in batch), key=score)


@pytest.mark.parametrize("counts", [(20, 4, 2), (25, 12, 0)], ids=str)
@pytest.mark.parametrize("denominator", ["max", "min", "mean"])
def test_each_pick_is_the_best_by_definition(counts: tuple[int, ...], denominator: str) -> None:
    columns = world(0, counts, spread=4.0)
    batch: list[int] = []
    for row in picks(columns, 8, denominator):
        assert row == best_by_definition(columns, batch, denominator)
        batch.append(row)


def test_separable_classes_come_to_equal_counts() -> None:
    columns = world(1, (20, 10, 5))
    bought = columns["oracle"][picks(columns, 25)].bincount(minlength=C)
    assert (bought + torch.tensor([20, 10, 5])).tolist() == [20, 20, 20]


def test_an_empty_class_is_looked_for_far_from_frequent_ones() -> None:
    columns = world(2, (20, 19, 0))
    assert columns["oracle"][picks(columns, 10)].bincount(minlength=C)[2] >= 1


def test_balanced_classes_are_drawn_at_random() -> None:
    columns = world(0, (10, 10, 10))
    first = [picks(columns, 1, seed=seed)[0] for seed in range(40)]
    assert len(set(first)) > 20


def test_random_rows_are_drawn_while_the_budget_exceeds_the_gap() -> None:
    assert can_still_even_out(np.array([10, 10, 10]), 1)
    assert can_still_even_out(np.array([12, 10, 8]), 7)  # two rare classes, three behind on average
    assert not can_still_even_out(np.array([12, 10, 8]), 6)


def test_it_says_that_it_reads_the_oracle() -> None:
    assert "oracle" in Balancing.needs


def test_an_unknown_denominator_is_refused() -> None:
    with pytest.raises(ValueError, match="got 'median'"):
        Balancing("median", memory_gib=None)
