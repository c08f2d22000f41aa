"""Equal shares of a budget for the true classes, as some published initial sets have them: the labels are read.

Dimension key: N candidates, C classes.
"""

from collections.abc import Callable

import numpy as np


def select_per_class(oracle_N: np.ndarray, budget: int, select: Callable[[np.ndarray, int], np.ndarray]) -> np.ndarray:
    """Returns positions, class after class, of `select(members, quota)`, which gives positions among the members."""
    classes, sizes_C = np.unique(oracle_N, return_counts=True)
    picks = [np.empty(0, dtype=np.int64)]
    for name, quota in zip(classes, equal_shares(sizes_C, budget), strict=True):
        members = np.flatnonzero(oracle_N == name)
        picks.append(members[select(members, int(quota))])
    return np.concatenate(picks)


def equal_shares(sizes_C: np.ndarray, budget: int) -> np.ndarray:
    """Returns quotas (C,) that sum to min(budget, sum of sizes), equal where sizes allow; the first get the rest."""
    quotas_C = np.zeros_like(sizes_C)
    left = min(budget, int(sizes_C.sum()))
    while left:
        open_C = np.flatnonzero(quotas_C < sizes_C)
        share = max(1, left // len(open_C))
        for i in open_C if left >= len(open_C) else open_C[:left]:
            taken = min(share, int(sizes_C[i] - quotas_C[i]))
            quotas_C[i] += taken
            left -= taken
    return quotas_C
