"""The same number of labels in every round after the first."""

from dataclasses import dataclass

from calrun.budget.base import Budget, require_count


@dataclass(frozen=True)
class Counts(Budget):
    """Starts with `start` labels and adds `step` in each later round.

    Args:
        start: labels of round 1.
        step: labels that each later round adds.
        rounds: T.
    """

    start: int
    step: int
    rounds: int

    def __post_init__(self) -> None:
        for name in ("start", "step", "rounds"):
            require_count(name, getattr(self, name))

    def planned(self, pool_size: int) -> list[int]:
        return [self.start + self.step * i for i in range(self.rounds)]
