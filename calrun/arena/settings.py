"""What all cells of the arena have in common; it is part of their identity."""

from dataclasses import dataclass

import numpy as np

LOW, HIGH = "low", "high"
BUDGETS = (LOW, HIGH)
LEAST_LOW_STEP = 10  # labels of a step of low budgets, where a data set has fewer classes
NUM_ROUNDS = 5
HIGH_SHARES = (0.10, 0.15, 0.20, 0.25, 0.30)  # of the pool


@dataclass(frozen=True)
class Settings:
    """How a cell is played.

    Args:
        pool_rows: rows of a pool at most; each seed draws its own from the training rows.
        pool_share: share of the training rows that a pool holds at most, so that the pools of two seeds differ.
        test_rows: rows of the test set at most, the same for all seeds.
        l2: weight of the head's penalty.
        tolerance: of the head's fit.
        dropout: share of the features that a mask drops where an acquisition looks at Monte-Carlo samples of the head.
    """

    pool_rows: int = 3000
    pool_share: float = 0.75
    test_rows: int = 2000
    l2: float = 1.0
    tolerance: float = 1e-4
    dropout: float = 0.5

    def pool_size(self, num_train: int) -> int:
        """Returns the rows of a pool."""
        return min(self.pool_rows, int(self.pool_share * num_train))


def label_counts(budget: str, pool_size: int, num_classes: int) -> list[int]:
    """Returns the labels of each round.

    Low budgets begin with as many labels as there are classes, 10 at least, and buy as many again each round; high ones
    are 10 to 30 % of the pool.

    Raises:
        ValueError: if the pool is too small.
    """
    step = max(num_classes, LEAST_LOW_STEP)
    low = [step * number for number in range(1, NUM_ROUNDS + 1)]
    counts = low if budget == LOW else [int(np.ceil(share * pool_size)) for share in HIGH_SHARES]
    if counts[-1] >= pool_size or len(set(counts)) < NUM_ROUNDS:
        raise ValueError(f"the pool has {pool_size:,} rows, but the {budget} budget ends with {counts[-1]:,} labels")
    return counts
