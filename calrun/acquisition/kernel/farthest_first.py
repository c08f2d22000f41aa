"""Farthest-first traversal: again and again the point farthest from all centres so far, ties to the lowest row.

Gonzalez 1985; Sener and Savarese 2018, "Active Learning for Convolutional Neural Networks: A Core-Set Approach",
Alg. 1. Distances only fall, so those of the last pass bound the present ones. A few leaders are kept exact; as long as
the best of them beats the bound on all others, it is the point that the sequential algorithm takes.

Dimension key: N rows, T leaders, M centres, F features.
"""

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.kernel.factors import Chunk, First, Points, first_centre, full_precision, nearest_distance
from calrun.acquisition.kernel.top_k import Bound, beats, leaders

FEWEST_LEADERS = 1024
SHARE_OF_LEADERS = 16  # rows for each of the first leaders
NUMBERS_OF_LEADERS = 1 << 25  # most numbers that the first leaders hold, since each pick reads them all
SHORT_SCAN = 64  # picks of a scan below which the next one gets twice the leaders
TAKEN = -1.0  # the distance that marks a point as a centre


def farthest_first(points: Points, budget: int, rng: np.random.Generator, start: First | Tensor) -> np.ndarray:
    """Returns the positions of min(budget, N) distinct points in the order of choice.

    Args:
        points: what to choose from.
        budget: how many.
        rng: for the rule `start`; nothing else is random.
        start: the rule for the first point, or (N,) squared distances to centres that exist already.
    """
    budget = min(budget, len(points))
    if budget <= 0:
        return np.empty(0, dtype=np.int64)
    picks, nearest_N = first_centre(points, rng, start, taken=TAKEN)
    width = sum(factor.store_NF.shape[1] for factor in points.factors)
    num_leaders = min(len(points) // SHARE_OF_LEADERS, NUMBERS_OF_LEADERS // width)
    num_leaders = min(max(FEWEST_LEADERS, num_leaders), points.room)
    while len(picks) < budget:
        leaders_T, bound = leaders(nearest_N, num_leaders)
        if not nearest_N[leaders_T].max() > 0:
            break
        chosen_M = leaders_T[
            _scan(points.block(leaders_T), leaders_T, nearest_N[leaders_T], bound, budget - len(picks))
        ]
        picks += chosen_M.tolist()
        if len(picks) < budget:
            points.fold(nearest_N, points.block(chosen_M))
        nearest_N[chosen_M] = TAKEN
        num_leaders = min(2 * num_leaders, points.room) if len(chosen_M) < SHORT_SCAN else num_leaders
    copies_N = (nearest_N > TAKEN).nonzero().squeeze(1)  # taken when all points that are left lie on centres
    return np.array(picks + copies_N[: budget - len(picks)].tolist(), dtype=np.int64)


def _scan(block: Chunk, positions_T: Tensor, nearest_T: Tensor, bound: Bound, budget: int) -> list[int]:
    """Returns which leaders to take, in order, until one might lose to a point that is not a leader."""
    nearest_T = nearest_T.clone()
    chosen: list[int] = []
    with full_precision():
        while len(chosen) < budget:
            best = int(nearest_T.argmax())  # the first of several, which has the lowest position
            farthest = Bound(float(nearest_T[best]), int(positions_T[best]))
            if farthest.value <= 0 or not beats(farthest, bound):
                break
            chosen.append(best)
            torch.minimum(nearest_T, nearest_distance(block, block.select(slice(best, best + 1))), out=nearest_T)
            nearest_T[best] = TAKEN
    return chosen
