"""CoreSet. Sener and Savarese 2018, "Active Learning for Convolutional Neural Networks: A Core-Set Approach", Alg. 1.

Dimension key: N candidates, L labelled rows, D features, B rows of a chunk.
"""

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel import kernel_cost
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.factors import Factor, First, Points, feature_chunk, refuse_not_finite, rough_mean
from calrun.acquisition.kernel.farthest_first import farthest_first
from calrun.acquisition.kernel.finite_features import refuse_broken_features
from calrun.acquisition.kernel.pairs import medoid_1center, pairs_cost
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.look.sizes import Sizes
from calrun.text.legal import one_of

EmptyInit = Literal["random", "medoid1center", "first"]


class KCenterGreedy(Acquisition):
    """Takes, one after the other, the row farthest from all labelled and taken rows in feature space.

    Differs from the paper: the greedy 2-approximation alone, without the mixed-integer refinement, like every
    published implementation (Emam et al. 2021 say so).

    Args:
        empty_init: the first row when nothing is labelled: a `random` one, the one whose greatest distance to the
            others is smallest (`medoid1center`, Emam et al.'s code), or the `first`.
        memory_gib: limit for temporary tensors in GiB; `None` takes a quarter of the free memory.
    """

    needs = frozenset({"features", "labelled_features"})
    approximation = "acquisition=partitioned_coreset"

    def __init__(self, empty_init: EmptyInit, memory_gib: float | None) -> None:
        one_of("acquisition.empty_init", empty_init, FIRSTS)
        self.empty_init = empty_init
        self.memory_gib = memory_gib

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        labelled_LD = candidates.labelled_features_LD
        points, labelled = centred_points(candidates.features_ND, labelled_LD, candidates.rows, self.memory_gib)
        start: First | Tensor = FIRSTS[self.empty_init]
        if len(labelled):
            start = nearest_labelled(points, labelled)
        rows: np.ndarray = candidates.rows[farthest_first(points, budget, rng, start)]
        return rows

    def cost(self, sizes: Sizes) -> Cost:
        """Returns (L + b) N D, and N D more for each scan of the farthest rows."""
        rows, width = sizes.candidates, sizes.features
        norms = kernel_cost.points(rows, width) + kernel_cost.points(sizes.labelled, width)
        norms += kernel_cost.feature_chunks(width, self.memory_gib, sizes)
        start = kernel_cost.fold(rows, max(sizes.labelled, 1), width)
        if not sizes.labelled and self.empty_init == "medoid1center":
            start += pairs_cost(rows, width)
        return norms + start + kernel_cost.farthest_first(rows, width, sizes.bought, cold=not sizes.labelled)


def centred_points(
    features_ND: Tensor,
    labelled_LD: Tensor | None,
    rows: np.ndarray,
    memory_gib: float | None,
    unit_length: bool = False,
) -> tuple[Points, Points]:
    """Returns candidates and labelled rows, both minus a rough mean of the candidates: distances lose fewer digits.

    Raises:
        ValueError: if a feature is not finite.
    """
    labelled_LD = features_ND[:0] if labelled_LD is None else labelled_LD.to(features_ND.device)
    chunk = feature_chunk(features_ND.shape[1], memory_gib, features_ND.device)
    scale = F.normalize if unit_length else None
    centre_D = rough_mean(Factor(features_ND, scale))
    if not centre_D.isfinite().all():  # then no row minus the mean is finite: name the rows to blame
        refuse_broken_features(features_ND, rows)

    def centred(block_BD: Tensor) -> Tensor:
        scaled_BD = block_BD if scale is None else scale(block_BD)
        return scaled_BD - centre_D.to(block_BD.dtype)

    points, labelled = (Points([Factor(store, centred)], chunk) for store in (features_ND, labelled_LD))
    refuse_not_finite(points.norms_N, rows, "features")
    refuse_not_finite(labelled.norms_N, np.arange(len(labelled)), "labelled features, counted from 0,")
    return points, labelled


def nearest_labelled(points: Points, labelled: Points) -> Tensor:
    """Returns each point's squared distance to the nearest labelled row (N,)."""
    nearest_N = torch.full_like(points.norms_N, torch.inf)
    for span in labelled.spans():
        points.fold(nearest_N, labelled.block(span))
    return nearest_N


def at_random(points: Points, rng: np.random.Generator) -> int:
    return int(rng.integers(len(points)))


def lowest_row(points: Points, rng: np.random.Generator) -> int:
    return 0


FIRSTS: dict[str, First] = {"random": at_random, "medoid1center": medoid_1center, "first": lowest_row}
