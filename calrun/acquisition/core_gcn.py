"""CoreGCN. Caramalau et al. 2021, "Sequential Graph Convolutional Network for Active Learning", Sec. 3.3, Eq. 6.

Dimension key: M rows of the graph (N candidates, then L labelled rows), H hidden units.
"""

import numpy as np

from calrun.acquisition.coreset import centred_points, nearest_labelled
from calrun.acquisition.kernel import kernel_cost
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.farthest_first import farthest_first
from calrun.acquisition.kernel.graph_choice import GraphChoice
from calrun.acquisition.kernel.graph_net import GraphNet
from calrun.look.sizes import Sizes


class CoreGcn(GraphChoice):
    """Takes, one after the other, the row farthest from all labelled and taken rows in a graph network's features.

    Differs from the authors' newest code: it measures distances between the task network's features there, which leaves
    the graph network without any influence; here between the graph network's, as the paper says.
    """

    name = "core_gcn"

    def choose(self, net: GraphNet, rows: np.ndarray, budget: int, rng: np.random.Generator) -> np.ndarray:
        hidden_MH, number = net.hidden(), len(rows)
        points, labelled = centred_points(hidden_MH[:number], hidden_MH[number:], rows, memory_gib=None)
        chosen: np.ndarray = rows[farthest_first(points, budget, rng, nearest_labelled(points, labelled))]
        return chosen.astype(np.int64)

    def cost(self, sizes: Sizes) -> Cost:
        """Returns the cost of the fit, and (L + b) N H for the farthest rows."""
        rows, width = sizes.candidates, self.graph.hidden_units
        norms = kernel_cost.points(rows, width) + kernel_cost.points(sizes.labelled, width)
        norms += kernel_cost.feature_chunks(width, None, sizes)
        start = kernel_cost.fold(rows, max(sizes.labelled, 1), width)
        farthest = kernel_cost.farthest_first(rows, width, sizes.bought, cold=False)
        return super().cost(sizes) + norms + start + farthest
