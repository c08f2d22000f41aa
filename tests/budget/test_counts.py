from typing import Any

import pytest

from calrun.budget.counts import Counts


def test_every_later_round_adds_the_step() -> None:
    assert Counts(start=30, step=10, rounds=4).sizes(60) == [30, 40, 50, 60]


def test_one_round_needs_only_the_start() -> None:
    assert Counts(start=30, step=10, rounds=1).sizes(30) == [30]


def test_more_labels_than_rows_name_the_round_and_both_numbers() -> None:
    with pytest.raises(ValueError, match="wants 70,000 labels in round 2 of 2, but the pool has 60,000 rows"):
        Counts(start=35_000, step=35_000, rounds=2).sizes(60_000)


@pytest.mark.parametrize("wrong", [{"start": 0}, {"step": -5}, {"rounds": 0}, {"start": 0.1}, {"rounds": True}])
def test_what_is_no_count_is_named(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"budget.{name} wants a whole number of at least 1, but is {wrong[name]!r}"):
        Counts(**{"start": 1, "step": 1, "rounds": 1} | wrong)
