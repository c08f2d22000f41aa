"""The same share of the pool in every round after the first."""

from dataclasses import dataclass

from calrun.budget.base import Budget, require_count


@dataclass(frozen=True)
class Fractions(Budget):
    """Starts with a share of the pool and adds another in each later round.

    The cumulative share is rounded to the nearest row, an exact half to the even one, so that errors do not add up.

    Args:
        start: share of the pool in round 1, in (0, 1].
        step: share that each later round adds, in (0, 1].
        rounds: T.
    """

    start: float
    step: float
    rounds: int

    def __post_init__(self) -> None:
        require_count("rounds", self.rounds)
        for name in ("start", "step"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
                raise ValueError(
                    f"budget.{name} wants a share of the pool above 0 and up to 1, but is {value!r}; "
                    "for a number of labels choose budget=counts"
                )

    def planned(self, pool_size: int) -> list[int]:
        return [share_of(pool_size, self.start + self.step * i) for i in range(self.rounds)]


def share_of(pool_size: int, share: float) -> int:
    """Returns the number of rows nearest to a share of the pool; rounding of the share itself never decides a half."""
    return round(round(share * pool_size, ndigits=6))
