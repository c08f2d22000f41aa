from typing import Any

import pytest

from calrun.budget.explicit import Explicit


def test_whole_numbers_are_counts() -> None:
    assert Explicit([1, 10, 300]).sizes(300) == [1, 10, 300]


def test_decimal_numbers_are_shares_and_1_0_is_the_whole_pool() -> None:
    assert Explicit([0.1, 0.25, 1.0]).sizes(1_000) == [100, 250, 1_000]


@pytest.mark.parametrize("labels", [[10, 0.5], [0.5, 1.5], [0.0, 0.5], ["a"], [True], [10.0, 20.0]])
def test_a_mixture_is_refused(labels: list[Any]) -> None:
    with pytest.raises(ValueError, match="write all of them as counts or all as shares"):
        Explicit(labels)


@pytest.mark.parametrize(("labels", "message"), [([], "at least one round"), ([5, 5], "round 2 has 5 after 5")])
def test_an_empty_or_standing_list_is_refused(labels: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Explicit(labels).sizes(10)
