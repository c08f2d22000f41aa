"""Balanced random sampling, a baseline that knows the labels.

Emam et al. 2021, "Active Learning at the ImageNet Scale", Sec. 5.

Dimension key: N candidates, C classes.
"""

import numpy as np

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.cost import Cost
from calrun.look.sizes import Sizes


class BalancedRandom(Acquisition):
    """Draws the same number of rows from each true class, or all rows of a class that has fewer."""

    needs = frozenset({"oracle"})

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        order_N = np.argsort(candidates.rows)
        order_N = order_N[rng.permutation(len(order_N))]
        class_N = candidates.oracle_N.cpu().numpy()[order_N]
        available_C = np.bincount(class_N)
        by_class_N = np.argsort(class_N, kind="stable")
        place_N = np.empty(len(order_N), dtype=np.int64)  # rank within its class, in random order
        place_N[by_class_N] = np.arange(len(order_N)) - np.repeat(available_C.cumsum() - available_C, available_C)
        taken_N = np.flatnonzero(place_N < class_quotas(available_C, budget)[class_N])
        turn_N = np.lexsort((class_N[taken_N], place_N[taken_N]))  # one of each class in turn: a prefix is balanced too
        return candidates.rows[order_N[taken_N[turn_N]]].astype(np.int64)

    def cost(self, sizes: Sizes) -> Cost:
        """Returns the cost of sorting N rows."""
        rows = float(sizes.candidates)
        return Cost(4 * rows, 30 * 8 * rows, 8 * 8 * rows, calls=30)


def class_quotas(available_C: np.ndarray, budget: int) -> np.ndarray:
    """Returns how many rows to take of each class (C,): the same number, capped by the rows that the class has.

    What remains goes to the largest classes, one row each. The sum is min(budget, sum of available_C), and classes that
    are not exhausted differ by at most one.
    """
    budget = max(0, min(budget, int(available_C.sum())))
    low, high = 0, int(available_C.max(initial=0))
    while low < high:  # the highest level that the budget pays for
        level = (low + high + 1) // 2
        low, high = (level, high) if np.minimum(available_C, level).sum() <= budget else (low, level - 1)
    quota_C: np.ndarray = np.minimum(available_C, low)
    open_C = np.flatnonzero(available_C > low)
    largest_first = open_C[np.argsort(-available_C[open_C], kind="stable")]
    quota_C[largest_first[: budget - quota_C.sum()]] += 1
    return quota_C
