"""TypiClust. Hacohen et al. 2022, "Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets", Alg. 1.

Dimension key: N candidates, L labelled rows, M members of a cluster, K neighbours, D features.
"""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.coreset import centred_points
from calrun.acquisition.kernel import kernel_cost
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.factors import Chunk, Points, distances, squared_norms
from calrun.acquisition.kernel.finite_features import refuse_broken_features
from calrun.acquisition.kernel.lloyd import Effort, kmeans
from calrun.acquisition.kernel.memory import limit_bytes
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.look.sizes import FLOAT, Sizes
from calrun.text.legal import at_least

BYTES_PER_NEIGHBOUR = 32


class TypiClust(Acquisition):
    """Clusters all rows, and takes the most typical candidate of each cluster, clusters without labels first.

    Differs from the paper: Lloyd's algorithm throughout, where the authors' code changes to mini-batches above 50
    clusters; clusters of at most `min_size` rows come after the others instead of never.

    Args:
        num_neighbours: K of the typicality; the paper takes 20.
        max_clusters: largest number of clusters; the paper takes 500.
        min_size: clusters of at most this many rows come last; 5 in the authors' code.
        squared: whether typicality is of squared distances (the authors' code) or of distances (the paper's formula).
        effort: how hard k-means searches.
        memory_gib: limit for temporary tensors in GiB; `None` takes a quarter of the free memory.
    """

    needs = frozenset({"features", "labelled_features"})
    approximation = "acquisition=partitioned_coreset acquisition@acquisition.inner=typiclust"

    def __init__(
        self,
        num_neighbours: int,
        max_clusters: int,
        min_size: int,
        squared: bool,
        effort: Effort,
        memory_gib: float | None,
    ) -> None:
        at_least(1, "acquisition", num_neighbours=num_neighbours, max_clusters=max_clusters)
        self.max_clusters = max_clusters
        self.min_size = min_size
        self.effort = effort
        self.memory_gib = memory_gib
        self._neighbourhood = Neighbourhood(num_neighbours, squared, memory_gib)

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        features_ND, labelled_LD = candidates.features_ND, candidates.labelled_features_LD
        refuse_broken_features(features_ND, candidates.rows)
        refuse_broken_features(labelled_LD, np.arange(len(labelled_LD)), "labelled features, counted from 0,")
        budget = min(budget, len(candidates))
        if budget <= 0:
            return np.empty(0, dtype=np.int64)
        store_ND = torch.cat([features_ND, labelled_LD.to(features_ND)]) if len(labelled_LD) else features_ND
        points, _ = centred_points(store_ND, None, np.arange(len(store_ND)), self.memory_gib, unit_length=True)
        points = points.in_memory(self.memory_gib)
        num_clusters = min(len(labelled_LD) + budget, self.max_clusters, len(points))
        labels_N = kmeans(points, num_clusters, rng, self.effort).labels_N.cpu().numpy()
        free_N, labelled_L = labels_N[: len(candidates)], labels_N[len(candidates) :]
        visits = visit_order(
            np.bincount(free_N, minlength=num_clusters), np.bincount(labelled_L, minlength=num_clusters), self.min_size
        )
        rows: np.ndarray = candidates.rows[self._picks(points, free_N, list(itertools.islice(visits, budget)))]
        return rows

    def cost(self, sizes: Sizes) -> Cost:
        """Returns N K D for each iteration of k-means, and the squares of the visited clusters' sizes times D."""
        rows, width = sizes.candidates + sizes.labelled, sizes.features
        clusters = max(1, min(sizes.labelled + sizes.bought, self.max_clusters, rows))
        grouping = kernel_cost.points(rows, width) + kernel_cost.lloyd(rows, width, clusters, self.effort)
        members = sizes.candidates / clusters
        pairs = members**2 * min(clusters, sizes.bought)
        double = 2 * FLOAT
        traffic = double * (2 * sizes.candidates * width + 12 * pairs)
        typicality = Cost(2 * pairs * width, traffic, 4 * double * members**2)
        joined = FLOAT * rows * width * bool(sizes.labelled)
        unit = kernel_cost.ready(rows, width, limit_bytes(self.memory_gib, sizes.device))
        picks = Cost(bytes_read=30.0 * sizes.bought * members, calls=20 * sizes.bought + 100 * clusters)
        chunks = kernel_cost.feature_chunks(width, self.memory_gib, sizes)
        return (grouping + typicality + picks + chunks).holding(joined + unit)

    def _picks(self, points: Points, free_N: np.ndarray, visits: list[int]) -> np.ndarray:
        """Returns, for each visit of a cluster, its most typical candidate that has not been taken before."""
        queues: dict[int, Iterator[int]] = {}
        for cluster, number in Counter(visits).items():
            members = np.flatnonzero(free_N == cluster)
            order = most_typical(points, members, number, self._neighbourhood)
            queues[cluster] = iter(order.tolist())
        return np.array([next(queues[cluster]) for cluster in visits], dtype=np.int64)


def visit_order(free_K: np.ndarray, labelled_K: np.ndarray, min_size: int) -> Iterator[int]:
    """Yields clusters again and again, those with few labels and many rows first, as long as they hold candidates.

    Args:
        free_K: candidates in each cluster.
        labelled_K: labelled rows in each cluster.
        min_size: clusters of at most this many rows wait until the others are used up.
    """
    size_K, left_K = free_K + labelled_K, free_K.copy()
    order = np.lexsort((-size_K, labelled_K))
    for small in (False, True):
        tier = [int(k) for k in order if (size_K[k] <= min_size) == small]
        while tier := [k for k in tier if left_K[k]]:
            left_K[tier] -= 1
            yield from tier


@dataclass(frozen=True)
class Neighbourhood:
    """What typicality looks at.

    Args:
        number: neighbours of a row, or half of the members if those are fewer.
        squared: whether distances are squared.
        memory_gib: limit for the lists of neighbours in GiB; `None` takes a quarter of the free memory.
    """

    number: int
    squared: bool
    memory_gib: float | None


def most_typical(points: Points, members: np.ndarray, number: int, near: Neighbourhood) -> np.ndarray:
    """Returns `number` members in turn, each with the least mean distance to its neighbours among those left."""
    picks: list[int] = []
    while len(picks) < number:
        left = np.setdiff1d(members, picks)
        room = limit_bytes(near.memory_gib, points.device) // (BYTES_PER_NEIGHBOUR * len(left))
        fewest = min(near.number, len(left) // 2)
        turns = min(number - len(picks), max(1, room - fewest))
        distances_MK, neighbours_MK = neighbours(points, left, min(fewest + turns - 1, len(left) - 1), near)
        here_M = torch.ones(len(left), dtype=torch.bool, device=points.device)
        for turn in range(turns):
            wanted = min(near.number, (len(left) - turn) // 2)
            known_MK = here_M[neighbours_MK]
            known_MK &= known_MK.cumsum(dim=1) <= wanted
            mean_M = torch.where(known_MK, distances_MK, 0).sum(dim=1) / max(wanted, 1)
            best = int(mean_M.masked_fill(~here_M, torch.inf).argmin())
            here_M[best] = False
            picks.append(int(left[best]))
    return np.array(picks, dtype=np.int64)


def neighbours(points: Points, members: np.ndarray, number: int, near: Neighbourhood) -> tuple[Tensor, Tensor]:
    """Returns the distances to the nearest other members in double precision and their positions, both (M, number)."""
    index_M = torch.from_numpy(members).to(points.device)
    distances_MK = torch.empty((len(members), number), dtype=torch.float64, device=points.device)
    neighbours_MK = torch.empty((len(members), number), dtype=torch.int64, device=points.device)
    room = limit_bytes(near.memory_gib, points.device) // (2 * 8 * len(members))
    step = max(1, min(points.chunk, room))
    for start in range(0, len(members), step):
        block = _double(points, index_M[start : start + step])
        others = [_double(points, index_P) for index_P in torch.split(index_M, points.chunk)]
        squared_BM = torch.cat([distances(block, other) for other in others], dim=1)
        here = torch.arange(start, start + len(squared_BM), device=points.device)
        squared_BM[here - start, here] = torch.inf
        least = squared_BM.topk(number, dim=1, largest=False)
        distances_MK[here] = least.values if near.squared else least.values.sqrt()
        neighbours_MK[here] = least.indices
    return distances_MK, neighbours_MK


def _double(points: Points, index_B: Tensor) -> Chunk:
    block_BD = points.factors[0][index_B].double()
    return Chunk((block_BD,), squared_norms([block_BD]))
