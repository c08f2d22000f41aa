"""What the two acquisitions on a graph share: the checks of their features, and the fit of the network.

Dimension key: N candidates, L labelled rows, D features.
"""

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.finite_features import refuse_broken_features
from calrun.acquisition.kernel.graph_net import GraphNet, GraphOptions, fitted, graph_cost
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.look.sizes import Sizes


class GraphChoice(Acquisition):
    """Trains a graph network on candidates and labelled rows after each round, and chooses by what it has learnt.

    The fit has a seed of its own, drawn from the round's; a killed one goes on where it last saved itself. The task's
    network is not touched.

    Args:
        graph: how the graph network is built and trained.
    """

    needs = frozenset({"features", "labelled_features", "scratch"})
    name: ClassVar[str]  # the option's, for errors and the folder of an interrupted fit

    def __init__(self, graph: GraphOptions) -> None:
        self.graph = graph
        self.approximation = f"acquisition=subset_of acquisition@acquisition.inner={self.name}"

    @abstractmethod
    def choose(self, net: GraphNet, rows: np.ndarray, budget: int, rng: np.random.Generator) -> np.ndarray:
        """Returns `budget` of the candidates' rows, which are ascending, by what the fitted network says of them."""

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        features_ND, labelled_LD = candidates.features_ND, candidates.labelled_features_LD
        folder = candidates.scratch / self.name
        if not len(labelled_LD):
            raise ValueError(
                f"acquisition={self.name} got no labelled rows to tell the others from; label some with another rule "
                "first"
            )
        if min(budget, len(candidates)) <= 0:
            return candidates.rows[:0].astype(np.int64)
        refuse_broken_features(features_ND, candidates.rows)
        refuse_broken_features(labelled_LD, np.arange(len(labelled_LD)), "labelled features, counted from 0,")
        net = fitted(features_ND, labelled_LD, self.graph, int(rng.integers(2**62)), folder)
        return self.choose(net, candidates.rows, budget, rng)

    def cost(self, sizes: Sizes) -> Cost:
        """Returns the cost of the graph and of the network's fit, O(M D H) for each step."""
        return graph_cost(self.graph, sizes)
