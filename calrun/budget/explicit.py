"""A list of label counts or of shares of the pool."""

from collections.abc import Sequence
from dataclasses import dataclass

from calrun.budget.base import Budget
from calrun.budget.fractions import share_of


@dataclass(frozen=True)
class Explicit(Budget):
    """Takes the cumulative sizes of all rounds as they are given.

    Args:
        labels: one number for each round: whole numbers are counts of labels (1 is one label); decimal ones, up to 1.0,
            are shares of the pool, rounded to the nearest row.
    """

    labels: Sequence[int | float]

    def __post_init__(self) -> None:
        kinds = {type(value) for value in self.labels}
        shares_fit = all(0 < value <= 1 for value in self.labels) if kinds == {float} else kinds <= {int}
        if not shares_fit:
            raise ValueError(
                f"budget.labels wants whole numbers, or shares of the pool above 0 and up to 1.0, but is "
                f"{list(self.labels)[:5]}; write all of them as counts or all as shares"
            )

    def planned(self, pool_size: int) -> list[int]:
        return [value if isinstance(value, int) else share_of(pool_size, value) for value in self.labels]
