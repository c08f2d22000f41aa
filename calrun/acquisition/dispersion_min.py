"""Dispersion-min: rows whose smallest pairwise distance is large, as an acquisition or for the initial labels.

Beck et al. 2021, "Effective Evaluation of Deep Active Learning on Image Classification Tasks", Sec. 4.6.

Dimension key: N candidates, D features.
"""

from typing import Literal

import numpy as np
import torch

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.coreset import at_random, centred_points, lowest_row
from calrun.acquisition.kernel import kernel_cost
from calrun.acquisition.kernel.cost import Cost, one_pass
from calrun.acquisition.kernel.factors import First
from calrun.acquisition.kernel.farthest_first import farthest_first
from calrun.acquisition.kernel.finite_features import refuse_broken_features
from calrun.acquisition.kernel.pairs import farthest_pair, nearest_to_mean, pairs_cost
from calrun.acquisition.kernel.per_class import select_per_class
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.look.sizes import FLOAT, Sizes
from calrun.text.legal import one_of

STARTS: dict[str, First] = {
    "farthest_pair": farthest_pair,
    "medoid": nearest_to_mean,
    "random": at_random,
    "first": lowest_row,
}


class DispersionMin(Acquisition):
    """Takes, one after the other, the row farthest from all taken ones: within a factor of two of the best dispersion.

    Differs from the paper: the greedy step of its code takes the first rows of each class, whatever their distances.

    Args:
        start: the first row: one of the `farthest_pair`, the `medoid` (least sum of squared distances), a `random` one,
            or the `first`, as in the paper's code.
        normalize: scales rows to unit length, so that angles are measured.
        class_conditional: gives each true class an equal share, chosen within the class (the paper); reads the labels
            of all candidates.
        memory_gib: limit for temporary tensors in GiB; `None` takes a quarter of the free memory.
    """

    def __init__(
        self,
        start: Literal["farthest_pair", "medoid", "random", "first"],
        normalize: bool,
        class_conditional: bool,
        memory_gib: float | None,
    ) -> None:
        one_of("acquisition.start", start, STARTS)
        self.needs = frozenset({"features", "oracle"} if class_conditional else {"features"})
        self.start = start
        self.normalize = normalize
        self.class_conditional = class_conditional
        self.memory_gib = memory_gib

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        features_ND = candidates.features_ND
        refuse_broken_features(features_ND, candidates.rows)

        def within(members: np.ndarray, quota: int) -> np.ndarray:
            whole = len(members) == len(features_ND)
            chosen_ND = features_ND if whole else features_ND[torch.from_numpy(members).to(features_ND.device)]
            named = candidates.rows[members]
            points, _ = centred_points(chosen_ND, None, named, self.memory_gib, unit_length=self.normalize)
            return farthest_first(points, quota, rng, STARTS[self.start])

        if self.class_conditional:
            picks = select_per_class(candidates.oracle_N.cpu().numpy(), budget, within)
        else:
            picks = within(np.arange(len(candidates)), budget)
        rows: np.ndarray = candidates.rows[picks]
        return rows

    def cost(self, sizes: Sizes) -> Cost:
        """Returns b N D, of each class if `class_conditional`."""
        parts = sizes.classes if self.class_conditional else 1
        part = sizes.share(parts, 0)
        rows, width = part.candidates, part.features
        start = kernel_cost.points(rows, width) + kernel_cost.fold(rows, 1, width)
        start += kernel_cost.feature_chunks(width, self.memory_gib, sizes)
        if self.start == "farthest_pair":
            start += pairs_cost(rows, width, self.start)
        chosen = FLOAT * rows * width if parts > 1 else 0
        work = start + kernel_cost.farthest_first(rows, width, part.bought, cold=True)
        return one_pass(self.wanted(), sizes) + work.times(parts).holding(chosen)
