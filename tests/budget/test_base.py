from dataclasses import dataclass

import pytest

from calrun.budget.base import Budget


@dataclass(frozen=True)
class Fixed(Budget):
    values: tuple[int, ...]

    def planned(self, pool_size: int) -> list[int]:
        return list(self.values)


def test_sizes_that_grow_up_to_the_whole_pool_are_returned_as_they_are() -> None:
    assert Fixed((1, 5, 10)).sizes(10) == [1, 5, 10]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((), "at least one round"),
        ((0, 5), r"round 1 has 0 after 0 \(rounds: 0, 5\)"),
        ((-3, 5), "round 1 has -3 after 0"),
        ((5, 5), r"round 2 has 5 after 5"),
        ((5, 9, 4), r"round 3 has 4 after 9 \(rounds: 5, 9, 4\)"),
        ((5, 10, 11, 20), "wants 11 labels in round 3 of 4, but the pool has 10 rows"),
    ],
)
def test_what_cannot_be_bought_is_refused_with_its_round(values: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fixed(values).sizes(10)
