from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calrun.budget.fractions import Fractions, share_of


def test_the_papers_axis_on_50_000_rows() -> None:
    """Das et al.: 10 % to 30 % in steps of 5 %."""
    assert Fractions(start=0.1, step=0.05, rounds=5).sizes(50_000) == [5_000, 7_500, 10_000, 12_500, 15_000]


def test_disal_starts_with_10_percent_and_ends_with_40() -> None:
    assert Fractions(start=0.1, step=0.05, rounds=7).sizes(50_000)[-1] == 20_000


def test_cumulative_shares_are_rounded_so_that_errors_do_not_add_up() -> None:
    """A third of 100 rows is 33, two thirds 67, all of them 100."""
    assert Fractions(start=1 / 3, step=1 / 3, rounds=3).sizes(100) == [33, 67, 100]


@pytest.mark.parametrize(
    ("share", "pool_size", "expected"), [(0.29, 100, 29), (0.25, 2, 0), (0.75, 2, 2), (0.35, 10, 4)]
)
def test_a_share_is_the_nearest_number_of_rows_and_a_half_the_even_one(
    share: float, pool_size: int, expected: int
) -> None:
    assert share_of(pool_size, share) == expected


@given(st.integers(1, 2_000_000), st.floats(0.0, 1.0))
def test_a_share_is_never_further_than_half_a_row_away(pool_size: int, share: float) -> None:
    assert abs(share_of(pool_size, share) - share * pool_size) <= 0.5 + 1e-6


def test_a_share_too_small_for_the_pool_is_a_round_of_nothing() -> None:
    with pytest.raises(ValueError, match="round 1 has 0 after 0"):
        Fractions(start=0.01, step=0.1, rounds=2).sizes(10)


def test_more_than_everything_is_refused() -> None:
    with pytest.raises(ValueError, match="wants 105 labels in round 3 of 3, but the pool has 100 rows"):
        Fractions(start=0.35, step=0.35, rounds=3).sizes(100)


@pytest.mark.parametrize("wrong", [{"start": 0.0}, {"start": 100}, {"step": -0.1}, {"step": 1.5}, {"start": "10%"}])
def test_what_is_no_share_is_named(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"budget.{name} wants a share of the pool above 0 and up to 1, but is"):
        Fractions(**{"start": 0.1, "step": 0.1, "rounds": 2} | wrong)
