"""Stable choice of the best rows."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calrun.acquisition.kernel.top_k import Bound, beats, largest, leaders, smallest


@settings(deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40), st.integers(0, 45), st.integers(0, 2**32 - 1))
def test_smallest_is_the_head_of_a_full_sort_by_score_and_row(scores: list[int], budget: int, seed: int) -> None:
    rows = np.random.default_rng(seed).permutation(100)[: len(scores)]
    expected = [row for _, row in sorted(zip(scores, rows.tolist(), strict=True))][:budget]
    assert smallest(torch.tensor(scores, dtype=torch.float32), rows, budget).tolist() == expected


def test_largest_breaks_ties_to_the_lowest_row_too() -> None:
    rows = np.array([9, 4, 7, 1])
    assert largest(torch.tensor([1.0, 2.0, 2.0, 0.0]), rows, 3).tolist() == [4, 7, 9]


def test_ten_thousand_equal_scores_give_the_first_rows() -> None:
    assert smallest(torch.zeros(10_000), np.arange(10_000), 5).tolist() == [0, 1, 2, 3, 4]


def test_half_precision_scores_are_ordered() -> None:
    assert smallest(torch.tensor([2.0, 1.0], dtype=torch.bfloat16), np.array([5, 6]), 1).tolist() == [6]


def test_scores_that_are_not_finite_are_refused_with_their_rows() -> None:
    scores_N = torch.tensor([0.0, math.nan, math.inf, 1.0])
    with pytest.raises(ValueError, match=r"2 of 4 rows are not finite \(first: \[11, 12\]\)"):
        smallest(scores_N, np.arange(10, 14), 1)


@settings(deadline=None)
@given(st.lists(st.integers(-2, 2), min_size=1, max_size=30), st.integers(1, 35))
def test_leaders_are_the_stable_top_and_the_bound_is_the_best_of_the_rest(values: list[int], number: int) -> None:
    order = sorted(range(len(values)), key=lambda i: (-values[i], i))
    positions, bound = leaders(torch.tensor(values, dtype=torch.float32), number)
    assert positions.tolist() == sorted(order[:number])
    rest = order[number:]
    assert bound == (Bound(values[rest[0]], rest[0]) if rest else Bound(-math.inf, len(values)))


def test_of_equal_values_the_lower_position_wins() -> None:
    assert beats(Bound(1.0, 3), Bound(1.0, 4))
    assert not beats(Bound(1.0, 4), Bound(1.0, 3))
    assert beats(Bound(2.0, 9), Bound(1.0, 0))
