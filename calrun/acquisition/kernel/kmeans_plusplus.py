"""k-means++ seeding: points drawn in proportion to their squared distance to the points drawn before.

Arthur and Vassilvitskii 2007, "k-means++: The Advantages of Careful Seeding". Distances only fall, so those known
before a few draws bound those after them. Drawing from the bounds and accepting with probability (true / bound) has
exactly the distribution of the sequential algorithm, and reads the pool once for many draws instead of once for each.

Dimension key: N rows, Q proposals, M centres, F features of one factor.
"""

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.kernel.factors import First, Points, distances, first_centre, full_precision

FIRST_BLOCK = 64
MAX_BLOCK = 512


def kmeans_plusplus(
    points: Points, budget: int, rng: np.random.Generator, start: First | Tensor, max_block: int = MAX_BLOCK
) -> np.ndarray:
    """Returns the positions of min(budget, N) distinct points in the order of drawing.

    Args:
        points: what to draw from.
        budget: how many.
        rng: decides every draw.
        start: the rule for the first point, or (N,) squared distances to centres that exist already.
        max_block: maximum number of draws between two passes over the points; 1 is the sequential algorithm, with other
            draws from the same distribution.
    """
    budget = min(budget, len(points))
    if budget <= 0:
        return np.empty(0, dtype=np.int64)
    picks, nearest_N = first_centre(points, rng, start, taken=0.0)
    size = min(FIRST_BLOCK, max_block)
    while len(picks) < budget:
        cumulative_N = nearest_N.cumsum(0, dtype=torch.float64)
        if not cumulative_N[-1] > 0:
            return np.array(picks + _uniform_rest(picks, len(points), budget, rng), dtype=np.int64)
        proposals_Q = _propose(cumulative_N, rng.random(min(size, budget - len(picks))))
        accepted = _accept(points, nearest_N, proposals_Q, rng.random(len(proposals_Q)))
        size = _next_size(size, len(accepted) / len(proposals_Q), max_block)
        index_M = proposals_Q[accepted]
        picks += index_M.tolist()
        if len(picks) < budget:
            points.fold(nearest_N, points.block(index_M))
            nearest_N[index_M] = 0
    return np.array(picks, dtype=np.int64)


def largest_norm(points: Points, rng: np.random.Generator) -> int:
    """Returns the point with the largest norm: the first pick of the BADGE authors' code."""
    return int(points.norms_N.argmax())


def uniform(points: Points, rng: np.random.Generator) -> int:
    """Returns a point drawn uniformly: the first pick of k-means++."""
    return int(rng.integers(len(points)))


def _propose(cumulative_N: Tensor, uniform_Q: np.ndarray) -> Tensor:
    """Returns positions drawn in proportion to the increments of the cumulative weights."""
    draw_Q = torch.from_numpy(uniform_Q).to(cumulative_N.device) * cumulative_N[-1]
    last = torch.searchsorted(cumulative_N, cumulative_N[-1:])  # the last position of positive weight
    return torch.minimum(torch.searchsorted(cumulative_N, draw_Q, right=True), last)


def _accept(points: Points, nearest_N: Tensor, proposals_Q: Tensor, uniform_Q: np.ndarray) -> list[int]:
    """Returns which proposals to take: each with probability true distance / distance before these proposals."""
    block = points.block(proposals_Q)
    with full_precision():
        apart_QQ = distances(block, block)
    apart_QQ[proposals_Q[:, None] == proposals_Q] = 0
    rows = apart_QQ.cpu().numpy()
    bound_Q = nearest_N[proposals_Q].cpu().numpy()
    true_Q = bound_Q.copy()
    accepted = []
    for i, needed in enumerate(uniform_Q * bound_Q):
        if needed < true_Q[i]:
            accepted.append(i)
            np.minimum(true_Q, rows[i], out=true_Q)
    return accepted


def _next_size(size: int, accepted: float, max_block: int) -> int:
    """Returns how many draws to propose next, given the share that was accepted."""
    if accepted < 0.5:
        return max(1, size // 2)
    return min(2 * size, max_block) if accepted > 0.8 else size


def _uniform_rest(picks: list[int], num_points: int, budget: int, rng: np.random.Generator) -> list[int]:
    """Returns the missing positions, drawn uniformly: all distances are zero, so no point is to be preferred."""
    left = np.setdiff1d(np.arange(num_points), picks)
    rest: list[int] = rng.choice(left, budget - len(picks), replace=False).tolist()
    return rest


def kmeans_plusplus_with_trials(
    points: Points, budget: int, rng: np.random.Generator, start: First | Tensor, trials: int
) -> np.ndarray:
    """Returns positions like `kmeans_plusplus`, each the best of `trials` draws.

    The best draw is the one after which the sum of squared distances is least.
    """
    budget = min(budget, len(points))
    nearest_N = start.clone() if isinstance(start, Tensor) else torch.full_like(points.norms_N, torch.inf)
    picks: list[int] = []
    while len(picks) < budget:
        if picks or isinstance(start, Tensor):
            cumulative_N = nearest_N.cumsum(0, dtype=torch.float64)
            if not cumulative_N[-1] > 0:
                return np.array(picks + _uniform_rest(picks, len(points), budget, rng), dtype=np.int64)
            drawn = _propose(cumulative_N, rng.random(trials)).tolist()
        else:
            drawn = [start(points, rng)]
        best = drawn[int(_sums(points, nearest_N, drawn).argmin())] if len(drawn) > 1 else drawn[0]
        picks.append(best)
        points.fold(nearest_N, points.block(torch.tensor([best], device=points.device)))
        nearest_N[best] = 0
    return np.array(picks, dtype=np.int64)


def _sums(points: Points, nearest_N: Tensor, drawn: list[int]) -> Tensor:
    """Returns the sums of squared distances that would be left after each of some draws (T,)."""
    centres = points.block(torch.tensor(drawn, device=points.device))
    sums_T = torch.zeros(len(drawn), dtype=torch.float64, device=points.device)
    with full_precision():
        for span in points.spans():
            lowered_BT = torch.minimum(distances(points.block(span), centres), nearest_N[span, None])
            sums_T += lowered_BT.sum(dim=0, dtype=torch.float64)
    return sums_T
