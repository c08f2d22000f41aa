"""Lazy greedy maximisation of facility location: sum_i max_{j in S} s_ij.

Minoux 1978, "Accelerated greedy algorithms for maximizing submodular set functions": gains only fall, so those of an
earlier pick bound the present ones, and only rows whose bound might win are evaluated. The picks are those of the naive
greedy algorithm on the similarities as they were computed, ties to the lowest row. Gains that are equal in exact
arithmetic may still differ, in single precision or double: copies of a row in different places of a product may differ
in the last digit, and then the larger one wins.

Dimension key: N rows, R represented rows, B rows evaluated together.
"""

import math

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.kernel.factors import spans
from calrun.acquisition.kernel.similarity import Similarity, row_sums
from calrun.acquisition.kernel.top_k import Bound, beats, leaders

FEWEST = 16  # fewest rows evaluated together
TILE = 1 << 19  # similarities evaluated at once, so that they stay in the caches


def facility_location(similarity: Similarity, budget: int) -> np.ndarray:
    """Returns the positions of min(budget, N) distinct rows, each with the greatest gain in its turn.

    Args:
        similarity: non-negative similarities of the rows to those they represent.
        budget: how many.
    """
    budget = min(budget, len(similarity))
    bound_N = similarity.totals()
    best_R: Tensor | None = None
    picks: list[int] = []
    together = FEWEST
    while len(picks) < budget:
        pick, evaluated = _best(similarity, bound_N, best_R, together)
        picks.append(pick)
        row_R = similarity.rows(torch.tensor([pick], device=bound_N.device)).squeeze(0)
        best_R = row_R if best_R is None else torch.maximum(best_R, row_R, out=best_R)
        bound_N[pick] = -torch.inf
        together = max(FEWEST, evaluated // 4)
    return np.array(picks, dtype=np.int64)


def _best(similarity: Similarity, bound_N: Tensor, best_R: Tensor | None, together: int) -> tuple[int, int]:
    """Returns the row of the greatest gain and how many rows were evaluated, whose bounds become their gains."""
    if best_R is None:
        return int(bound_N.argmax()), FEWEST  # the totals are the gains of the first pick
    stale_N = bound_N.clone()
    winner, gain = len(bound_N), -math.inf
    evaluated = 0
    while True:
        candidates, bound = leaders(stale_N, together)
        gains_B = _gains(similarity, candidates, best_R)
        known_B = stale_N[candidates] == -torch.inf  # taken, or evaluated for this pick
        bound_N[candidates] = torch.where(known_B, bound_N[candidates], gains_B)
        gains_B = gains_B.masked_fill(known_B, -torch.inf)
        stale_N[candidates] = -torch.inf
        evaluated += len(candidates)
        together = min(2 * together, similarity.chunk)
        first = int(gains_B.argmax())  # the first of several, which has the lowest position
        if beats(here := Bound(float(gains_B[first]), int(candidates[first])), Bound(gain, winner)):
            gain, winner = here
        if bound.value == -math.inf or beats(Bound(gain, winner), bound):
            return winner, evaluated


def _gains(similarity: Similarity, index_B: Tensor, best_R: Tensor) -> Tensor:
    """Returns how much each of some rows would add to the represented rows' best similarities."""
    gains_B = torch.empty(len(index_B), dtype=torch.float64, device=best_R.device)  # a list would fragment the heap
    for tile in spans(0, len(index_B), max(1, TILE // len(best_R))):
        gains_B[tile] = row_sums(similarity.rows(index_B[tile]).sub_(best_R).clamp_(min=0))
    return gains_B
