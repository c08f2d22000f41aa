"""Hierarchical clustering of rows, or of their k-means centres beyond a stated number of rows.

Dimension key: N rows, K clusters, D features.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from torch import Tensor

from calrun.acquisition.coreset import centred_points
from calrun.acquisition.kernel import kernel_cost
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.factors import Chunk, distances, squared_norms
from calrun.acquisition.kernel.lloyd import Effort, kmeans
from calrun.acquisition.kernel.memory import GIB, limit_bytes
from calrun.look.sizes import Sizes
from calrun.text.legal import at_least, one_of
from calrun.text.say import warn

BYTES_PER_PAIR = 8  # two copies of N * (N - 1) / 2 doubles
MICRO = Effort(max_iter=10, tol=0, greedy=False)  # thousands of centres: the best of several draws would take hours
STEP = 256  # rows whose distances to all later ones are computed together

Linkage = Literal["average", "single", "complete", "ward"]


@dataclass(frozen=True)
class Hierarchy:
    """Merges the two nearest clusters again and again.

    Args:
        linkage: distance between two clusters; Citovsky et al. 2021 take the average.
        threshold: distance up to which clusters are merged; `None` merges until they have `rows_per_cluster` rows on
            average.
        rows_per_cluster: Citovsky et al. choose their threshold so that it is at least 10.
        micro_clusters: maximum number of rows to cluster exactly; of more rows this many k-means centres are clustered,
            which is an approximation and logged. `None` is always exact.
        memory_gib: limit for the pairwise distances in GiB; `None` takes a quarter of the free memory.
    """

    linkage: Linkage
    threshold: float | None
    rows_per_cluster: float
    micro_clusters: int | None
    memory_gib: float | None

    def __post_init__(self) -> None:
        one_of("acquisition.clustering.linkage", self.linkage, get_args(Linkage))
        at_least(1, "acquisition.clustering", rows_per_cluster=self.rows_per_cluster)
        at_least(1, "acquisition.clustering", micro_clusters=self.micro_clusters)

    def clusters(self, features_ND: Tensor, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Returns the cluster of each row (N,).

        Raises:
            ValueError: if the pairwise distances do not fit into the limit.
        """
        points, _ = centred_points(features_ND, None, rows, self.memory_gib)
        number = self._number(len(rows))
        if refusal := self._refusal(number):
            raise ValueError(refusal)
        num_clusters = max(1, int(np.ceil(len(rows) / self.rows_per_cluster)))
        if number == len(rows):
            return self._cut(points.factors[0][slice(None)].double(), num_clusters)
        warn(f"cluster_margin clusters {number} k-means centres instead of {len(rows)} rows: an approximation")
        micro = kmeans(points.in_memory(self.memory_gib), number, rng, MICRO)
        merged_K = self._cut(micro.centres_KF.double(), num_clusters)
        labels_N: np.ndarray = merged_K[micro.labels_N.cpu().numpy()]
        return labels_N

    def cost(self, sizes: Sizes) -> Cost:
        """Returns n^2 D for the distances of the n rows or centres that are merged, and the k-means before them."""
        rows, width = sizes.candidates, sizes.features
        number = self._number(rows)
        pairs = float(number) ** 2
        work = Cost(pairs * width, 80 * pairs, BYTES_PER_PAIR * pairs)
        merging = work + Cost(refusal=self._refusal(number))
        start = kernel_cost.points(rows, width) + kernel_cost.feature_chunks(width, self.memory_gib, sizes)
        if number < rows:
            start += kernel_cost.lloyd(rows, width, number, MICRO)
        return start + merging.holding(8.0 * number * width)

    def _number(self, num_rows: int) -> int:
        """Returns how many rows, or centres of them, are merged."""
        return num_rows if self.micro_clusters is None else min(num_rows, self.micro_clusters)

    def _refusal(self, number: int) -> str:
        """Returns why this many rows are refused, or an empty text."""
        needed, limit = BYTES_PER_PAIR * number**2, limit_bytes(self.memory_gib)
        if needed <= limit:
            return ""
        return (
            f"hierarchical clustering of {number} rows needs {needed / GIB:.3g} GiB, but the limit is "
            f"{limit / GIB:.3g} GiB; set a smaller acquisition.clustering.micro_clusters (approximate) or raise "
            "acquisition.clustering.memory_gib"
        )

    def _cut(self, x_ND: Tensor, num_clusters: int) -> np.ndarray:
        if len(x_ND) < 2:
            return np.zeros(len(x_ND), dtype=np.int64)
        tree = linkage(condensed_distances(x_ND), method=self.linkage)
        by_distance = self.threshold is not None
        cut = float(num_clusters) if self.threshold is None else self.threshold
        return np.asarray(fcluster(tree, cut, "distance" if by_distance else "maxclust"), dtype=np.int64)


def condensed_distances(x_ND: Tensor) -> np.ndarray:
    """Returns the distances of all pairs i < j, row after row, (N (N - 1) / 2,): scipy's order, by matrix products."""
    number = len(x_ND)
    whole = Chunk((x_ND,), squared_norms([x_ND]))
    condensed = np.empty(number * (number - 1) // 2)
    filled = 0
    for start in range(0, number - 1, STEP):
        rows, later = whole.select(slice(start, start + STEP)), whole.select(slice(start, number))
        block_BN = distances(rows, later).clamp_(min=0).sqrt_().cpu().numpy()
        for i, row_N in enumerate(block_BN):
            condensed[filled : filled + len(row_N) - i - 1] = row_N[i + 1 :]
            filled += len(row_N) - i - 1
    return condensed
