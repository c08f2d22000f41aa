"""k-means by Lloyd's algorithm, chunked, from given centres.

Dimension key: N points, K clusters, B points of a chunk, F features.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.kernel.factors import Chunk, Points, full_precision, snap_, squared_norms
from calrun.acquisition.kernel.kmeans_plusplus import kmeans_plusplus, kmeans_plusplus_with_trials, uniform
from calrun.text.legal import at_least

TILE = 1 << 20  # point-centre pairs at once


@dataclass(frozen=True)
class Effort:
    """How hard k-means searches for a good clustering.

    Args:
        max_iter: maximum number of updates of the centres in a run.
        tol: a run ends when the centres move less than this in Frobenius norm.
        num_init: runs, of which the best is kept.
        greedy: makes each seed the best of 2 + ln K draws, as scikit-learn does, instead of a single draw.
    """

    max_iter: int
    tol: float
    num_init: int = 1
    greedy: bool = True

    def __post_init__(self) -> None:
        at_least(1, "acquisition", num_init=self.num_init)
        at_least(0, "acquisition", max_iter=self.max_iter)

    def trials(self, num_clusters: int) -> int:
        """Returns the number of draws of which each seed is the best."""
        return 2 + int(math.log(max(1, num_clusters))) if self.greedy else 1


class Clusters(NamedTuple):
    """A clustering: the centres, each point's cluster and its squared distance to that centre."""

    centres_KF: Tensor
    labels_N: Tensor
    distances_N: Tensor

    @property
    def inertia(self) -> float:
        return float(self.distances_N.sum(dtype=torch.float64))


def kmeans(points: Points, num_clusters: int, rng: np.random.Generator, effort: Effort) -> Clusters:
    """Returns the clustering with the least inertia of `effort.num_init` runs, each with its own k-means++ seeding."""
    runs = (_run(points, num_clusters, rng, effort) for _ in range(effort.num_init))
    return min(runs, key=lambda clusters: clusters.inertia)  # the first of several


def _run(points: Points, num_clusters: int, rng: np.random.Generator, effort: Effort) -> Clusters:
    trials = effort.trials(num_clusters)
    if trials > 1:
        seeds = kmeans_plusplus_with_trials(points, num_clusters, rng, uniform, trials)
    else:
        seeds = kmeans_plusplus(points, num_clusters, rng, uniform)
    start = points.block(torch.from_numpy(seeds).to(points.device))
    return lloyd(points, start.factors[0], effort.max_iter, effort.tol)


def lloyd(points: Points, centres_KF: Tensor, max_iter: int, tol: float) -> Clusters:
    """Returns the clusters after at most `max_iter` updates of the centres; no cluster is empty while N >= K.

    Args:
        points: points of one factor.
        centres_KF: where to start.
        max_iter: maximum number of updates.
        tol: the updates end when the centres move less than this in Frobenius norm.
    """
    clusters = assign(points, centres_KF)
    for _ in range(max_iter):
        moved_KF = _update(points, clusters)
        shift = float(torch.linalg.vector_norm(moved_KF - clusters.centres_KF))
        clusters = assign(points, moved_KF)
        if shift <= tol:
            break
    return _without_empty(clusters)


def assign(points: Points, centres_KF: Tensor) -> Clusters:
    """Returns each point's nearest centre, the first of several."""
    labels_N = torch.empty(len(points), dtype=torch.int64, device=points.device)
    distances_N = torch.empty_like(points.norms_N)
    centres = Chunk((centres_KF,), squared_norms([centres_KF]))
    step = max(1, min(points.chunk, TILE // max(len(centres_KF), 1)))
    with full_precision():
        for start in range(0, len(points), step):
            span = slice(start, min(start + step, len(points)))
            block = points.block(span)
            partial_BK = torch.addmm(centres.norms_B, block.factors[0], centres_KF.T, alpha=-2)
            nearest_B, labels_N[span] = partial_BK.min(dim=1)
            distances_N[span] = snap_(nearest_B.add_(block.norms_B), block.norms_B)
    return Clusters(centres_KF, labels_N, distances_N)


def _update(points: Points, clusters: Clusters) -> Tensor:
    """Returns the means of the clusters; an empty one moves to a point that is farthest from its centre."""
    num_clusters = len(clusters.centres_KF)
    sums_KF = torch.zeros(clusters.centres_KF.shape, dtype=torch.float64, device=points.device)
    for span in points.spans():
        sums_KF.index_add_(0, clusters.labels_N[span], points.factors[0][span].double())
    counts_K = clusters.labels_N.bincount(minlength=num_clusters)
    centres_KF = (sums_KF / counts_K.clamp_min(1)[:, None]).to(clusters.centres_KF.dtype)
    empty = (counts_K == 0).nonzero().squeeze(1)
    if len(empty):
        farthest = torch.sort(clusters.distances_N, descending=True, stable=True).indices[: len(empty)]
        centres_KF[empty[: len(farthest)]] = points.factors[0][farthest]
    return centres_KF


def _without_empty(clusters: Clusters) -> Clusters:
    """Gives each empty cluster the point farthest from its centre in a cluster of several; the centres stay."""
    labels_N, distances_N = clusters.labels_N.clone(), clusters.distances_N.clone()
    counts_K = labels_N.bincount(minlength=len(clusters.centres_KF))
    empty = (counts_K == 0).nonzero().squeeze(1).tolist()
    if not empty:
        return clusters
    for point in torch.sort(distances_N, descending=True, stable=True).indices.tolist():
        if not empty:
            break
        if counts_K[labels_N[point]] > 1:
            counts_K[labels_N[point]] -= 1
            labels_N[point], distances_N[point] = empty.pop(0), 0
    return Clusters(clusters.centres_KF, labels_N, distances_N)
