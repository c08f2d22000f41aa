"""One round of active learning: train on what is labelled, evaluate, then buy labels unless it is the last."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from calrun.pool import Pool
from calrun.rng import numpy_rng, torch_seed


@dataclass(frozen=True)
class Round:
    """Where the loop is.

    Args:
        number: t, from 1.
        num_rounds: T.
        budget: labels to buy after this round; 0 in the last.
        seed: the run's seed.
        pool: which rows are labelled.
        folder: where this round keeps its checkpoints and logs.
    """

    number: int
    num_rounds: int
    budget: int
    seed: int
    pool: Pool
    folder: Path

    @property
    def is_last(self) -> bool:
        return self.number == self.num_rounds

    def ended(self, line: Mapping[str, Any]) -> Self:
        """Returns the round, as the last one if its line says that a rule has stopped the run."""
        return replace(self, num_rounds=self.number, budget=0) if line.get("stopped") else self

    @property
    def current_rows(self) -> np.ndarray:
        """D_t: the rows bought for this round."""
        return self.pool.labelled_in(self.number)

    @property
    def history_rows(self) -> np.ndarray:
        """H_t: the rows bought before this round."""
        return self.pool.history(self.number)

    def rng(self, purpose: str, *more: int) -> np.random.Generator:
        """Returns this round's generator for a purpose."""
        return numpy_rng(self.seed, self.number, purpose, *more)

    def torch_seed(self, purpose: str, *more: int) -> int:
        """Returns this round's torch seed for a purpose."""
        return torch_seed(self.seed, self.number, purpose, *more)


def planned_rounds(sizes: Sequence[int], seed: int = 0) -> Iterator[Round]:
    """Yields the rounds of a budget on a made-up pool, with arbitrary rows in place of those that will be chosen."""
    pool = Pool.simulated(np.zeros(max(sizes, default=0), dtype=np.int64), num_classes=2)
    for number, size in enumerate(sizes, start=1):
        pool.label(np.arange(len(pool.labelled), size), number)
        budget = sizes[number] - size if number < len(sizes) else 0
        yield Round(number, len(sizes), budget, seed, pool, Path())
