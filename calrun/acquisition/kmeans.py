"""k-means sampling: as many centres as the budget, and the candidate nearest to each; labelled rows are ignored.

Beck et al. 2021, "Effective Evaluation of Deep Active Learning on Image Classification Tasks".

Dimension key: N candidates, K clusters, D features.
"""

import numpy as np

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.coreset import centred_points
from calrun.acquisition.kernel import kernel_cost
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.lloyd import Clusters, Effort, kmeans
from calrun.acquisition.kernel.memory import limit_bytes
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.look.sizes import Sizes


class KMeansSampling(Acquisition):
    """Clusters the candidates into as many clusters as the budget, and takes from each the row nearest its centre.

    Args:
        num_init: runs, of which the best is kept; Beck et al.'s code takes 10, at ten times the time.
        max_iter: maximum number of updates of the centres; 300 there.
        tol: a run ends when the centres move less than this, in Frobenius norm; 1e-4 there.
        memory_gib: limit for temporary tensors in GiB; `None` takes a quarter of the free memory.
    """

    needs = frozenset({"features"})
    approximation = "acquisition=partitioned_coreset acquisition@acquisition.inner=kmeans"

    def __init__(self, num_init: int, max_iter: int, tol: float, memory_gib: float | None) -> None:
        self.effort = Effort(max_iter, tol, num_init)
        self.memory_gib = memory_gib

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        points, _ = centred_points(candidates.features_ND, None, candidates.rows, self.memory_gib)
        budget = min(budget, len(candidates))
        if budget <= 0:
            return np.empty(0, dtype=np.int64)
        clusters = kmeans(points.in_memory(self.memory_gib), budget, rng, self.effort)
        rows: np.ndarray = candidates.rows[nearest_members(clusters)]
        return rows

    def cost(self, sizes: Sizes) -> Cost:
        """Returns N b D for each iteration, all `max_iter` of them."""
        rows, width = sizes.candidates, sizes.features
        centred = kernel_cost.ready(rows, width, limit_bytes(self.memory_gib, sizes.device))
        runs = kernel_cost.lloyd(rows, width, sizes.bought, self.effort)
        points = kernel_cost.points(rows, width) + kernel_cost.feature_chunks(width, self.memory_gib, sizes)
        return (points + runs).holding(centred)


def nearest_members(clusters: Clusters) -> np.ndarray:
    """Returns the position of the member nearest to each centre, the first of several (K,)."""
    distances_N, labels_N = clusters.distances_N.cpu().numpy(), clusters.labels_N.cpu().numpy()
    order = np.lexsort((np.arange(len(labels_N)), distances_N, labels_N))
    _, first = np.unique(labels_N[order], return_index=True)
    members: np.ndarray = order[first]
    return members
