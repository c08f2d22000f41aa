"""UncertainGCN. Caramalau et al. 2021, "Sequential Graph Convolutional Network for Active Learning", Sec. 3.3, Eq. 5.

Dimension key: M rows of the graph (N candidates, then L labelled rows).
"""

import numpy as np

from calrun.acquisition.kernel.graph_choice import GraphChoice
from calrun.acquisition.kernel.graph_net import GraphNet, GraphOptions
from calrun.acquisition.kernel.top_k import smallest
from calrun.text.legal import share


class UncertainGcn(GraphChoice):
    """Takes the rows whose probability of being labelled, by a graph network, is nearest to a margin.

    Args:
        graph: how the graph network is built and trained.
        s_margin: the margin; the paper takes 0.1, which is nearly surely unlabelled.
    """

    name = "uncertain_gcn"

    def __init__(self, graph: GraphOptions, s_margin: float) -> None:
        share("acquisition.s_margin", s_margin)
        super().__init__(graph)
        self.s_margin = s_margin

    def choose(self, net: GraphNet, rows: np.ndarray, budget: int, rng: np.random.Generator) -> np.ndarray:
        logits_M = net.labelled_logits(net.hidden())
        return smallest((logits_M[: len(rows)].double().sigmoid() - self.s_margin).abs(), rows, budget)
