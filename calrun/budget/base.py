"""How many labels each round has."""

from abc import ABC, abstractmethod
from itertools import pairwise


class Budget(ABC):
    """The cumulative numbers of labelled rows in rounds 1..T."""

    @abstractmethod
    def planned(self, pool_size: int) -> list[int]:
        """Returns the number of labelled rows of each round, unchecked."""

    def sizes(self, pool_size: int) -> list[int]:
        """Returns the number of labelled rows of each round, strictly increasing.

        Args:
            pool_size: rows that can be labelled.

        Raises:
            ValueError: if there is no round, a round adds nothing, or the last one wants more than the pool has.
        """
        sizes = self.planned(pool_size)
        if not sizes:
            raise ValueError("the budget wants at least one round, but its list is empty; name the labels of round 1")
        for number, (before, size) in enumerate(pairwise([0, *sizes]), start=1):
            if size <= before:
                raise ValueError(
                    f"the budget wants more labels in every round, but round {number} has {size:,} after {before:,} "
                    f"(rounds: {_shown(sizes)}); let every round add at least one label"
                )
        if sizes[-1] > pool_size:
            number = next(i for i, size in enumerate(sizes, start=1) if size > pool_size)
            raise ValueError(
                f"the budget wants {sizes[number - 1]:,} labels in round {number} of {len(sizes)}, but the pool has "
                f"{pool_size:,} rows; take fewer rounds or smaller steps"
            )
        return sizes


def require_count(name: str, value: object) -> None:
    """Raises a ValueError unless `value` is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"budget.{name} wants a whole number of at least 1, but is {value!r}; correct it")


def _shown(sizes: list[int]) -> str:
    return ", ".join(f"{size:,}" for size in sizes[:5]) + (", ..." if len(sizes) > 5 else "")
