"""The rows with the best scores, ties broken by row number whatever the device or the chunking.

`torch.topk` and `torch.sort` keep no order among ties, so neither may decide which rows are bought.

Dimension key: N rows.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


def smallest(scores_N: Tensor, rows: np.ndarray, budget: int) -> np.ndarray:
    """Returns the min(budget, N) rows with the smallest scores, ordered by (score, row).

    Raises:
        ValueError: if a score is not finite.
    """
    score_N = finite(scores_N, rows, "scores")
    budget = min(budget, len(rows))
    if budget <= 0:
        return np.empty(0, dtype=np.int64)
    threshold = np.partition(score_N, budget - 1)[budget - 1]
    below = np.flatnonzero(score_N < threshold)
    tied = np.flatnonzero(score_N == threshold)
    spare = budget - len(below)
    if spare < len(tied):
        tied = tied[np.argpartition(rows[tied], spare - 1)[:spare]]
    kept = np.concatenate([below, tied])
    best: np.ndarray = rows[kept[np.lexsort((rows[kept], score_N[kept]))]].astype(np.int64)
    return best


def largest(scores_N: Tensor, rows: np.ndarray, budget: int) -> np.ndarray:
    """Returns the min(budget, N) rows with the largest scores, ordered by (-score, row).

    Raises:
        ValueError: if a score is not finite.
    """
    return smallest(-scores_N, rows, budget)


def finite(values_N: Tensor, rows: np.ndarray, what: str) -> np.ndarray:
    """Returns the values on the host after checking that each is finite.

    Raises:
        ValueError: if one is not, with the first such rows.
    """
    wide_N = values_N.detach() if values_N.dtype in (torch.float32, torch.float64) else values_N.detach().float()
    host_N: np.ndarray = wide_N.cpu().numpy()
    if not np.isfinite(host_N).all():
        bad = rows[~np.isfinite(host_N)]
        raise ValueError(
            f"{what} of {len(bad)} of {len(rows)} rows are not finite (first: {np.sort(bad)[:5].tolist()}); "
            "look for a diverged model or broken inputs"
        )
    return host_N


class Bound(NamedTuple):
    """A value and the lowest of the positions that may have it."""

    value: float
    position: int


def beats(one: Bound, other: Bound) -> bool:
    """Returns whether `one` is larger, or as large at a lower position."""
    return one.value > other.value or (one.value == other.value and one.position < other.position)


def leaders(values_N: Tensor, number: int) -> tuple[Tensor, Bound]:
    """Returns the positions of the largest values, ascending, ties to the lowest, and the bound on all others."""
    if number >= len(values_N):
        return torch.arange(len(values_N), device=values_N.device), Bound(-math.inf, len(values_N))
    threshold = values_N.topk(number + 1).values[-1]
    best = (values_N >= threshold).nonzero().squeeze(1)  # hardly more than `number`, unless there are ties
    above = values_N[best] > threshold
    tied = best[~above]
    spare = number - (len(best) - len(tied))
    leading = torch.cat([best[above], tied[:spare]]).sort().values if spare else best[above]
    return leading, Bound(float(threshold), int(tied[spare]))
