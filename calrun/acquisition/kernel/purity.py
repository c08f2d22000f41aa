"""The radius of ProbCover's balls. Yehuda et al. 2022, "Active Learning Through a Covering Lens", Sec. 3.3.

A ball is pure if all rows in it have the label of its centre. Labels are not known yet: clusters of k-means, as many as
there are classes, stand for them. The radius is the largest at which 95 % of the balls are pure.

Dimension key: N rows, K clusters, F features.
"""

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.kernel import kernel_cost
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.factors import MAX_CENTRES, Points
from calrun.acquisition.kernel.lloyd import Effort, kmeans

IMPURE = 0.05  # share of the balls that may be impure: 1 - alpha of the paper
EFFORT = Effort(max_iter=50, tol=1e-4, num_init=3)


def pure_radius(points: Points, num_classes: int, rng: np.random.Generator) -> float:
    """Returns the largest radius at which at least 95 % of the (open) balls lie within one cluster; inf if all do."""
    labels_N = kmeans(points, min(num_classes, len(points)), rng, EFFORT).labels_N
    squared_N = nearest_foreign(points, labels_N)
    return float(squared_N.sort().values[int(IMPURE * len(points))].double().sqrt())


def nearest_foreign(points: Points, labels_N: Tensor) -> Tensor:
    """Returns each point's squared distance to the nearest point of another label (N,), infinite if there is none."""
    nearest_N = torch.full_like(points.norms_N, torch.inf)
    for label in range(int(labels_N.max()) + 1):
        mine_N = labels_N == label
        to_label_N = torch.full_like(nearest_N, torch.inf)
        for members in torch.split(mine_N.nonzero().squeeze(1), MAX_CENTRES):
            points.fold(to_label_N, points.block(members))
        torch.minimum(nearest_N, to_label_N.masked_fill_(mine_N, torch.inf), out=nearest_N)
    return nearest_N


def purity_cost(num_rows: int, width: int, num_classes: int) -> Cost:
    """Returns the cost of `pure_radius`: k-means, and the distances of all pairs."""
    clusters = kernel_cost.lloyd(num_rows, width, num_classes, EFFORT)
    return clusters + kernel_cost.fold(num_rows, num_rows, width).holding(16.0 * num_rows)
