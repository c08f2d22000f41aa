"""BADGE. Ash et al. 2020, "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds", Alg. 1.

The gradient embedding of a row is (p - e_y) x h: two factors whose product is never formed.

Dimension key: N candidates, B rows of a chunk, C classes, D features.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.coreset import nearest_labelled
from calrun.acquisition.kernel import kernel_cost
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.factors import Factor, First, Points, feature_chunk, in_memory, refuse_not_finite
from calrun.acquisition.kernel.kmeans_plusplus import (
    MAX_BLOCK,
    kmeans_plusplus,
    kmeans_plusplus_with_trials,
    largest_norm,
    uniform,
)
from calrun.acquisition.kernel.memory import limit_bytes
from calrun.acquisition.kernel.residual import residual
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.look.sizes import FLOAT, Sizes
from calrun.text.legal import at_least, one_of

FIRSTS: dict[str, First] = {"argmax_norm": largest_norm, "uniform": uniform}

Transform = Callable[[Tensor], Tensor]


class Badge(Acquisition):
    """Draws rows by k-means++ seeding on the gradients that their predicted labels would give the head.

    Args:
        first: the first row: the one with the largest gradient (`argmax_norm`, the authors' code) or a random one
            (`uniform`, the paper's k-means++); not used when labelled rows condition the draws.
        condition_on_labelled: distances start from the labelled rows under their predicted labels (Emam et al. 2021);
            the paper looks at candidates alone.
        bias: whether the embedding includes the gradient of the bias.
        mode: `blocked` draws many rows between two passes over the pool, by rejection sampling from the exact
            distribution; `sequential` makes a pass after each draw.
        greedy_trials: draws for each pick, of which the best is kept; the paper takes 1.
        memory_gib: limit for temporary tensors in GiB; `None` takes a quarter of the free memory.
    """

    classifies_rows = True  # the gradients are those of one predicted label
    approximation = "acquisition=badge_pooled, or acquisition=partitioned_badge"

    def __init__(
        self,
        first: Literal["argmax_norm", "uniform"],
        condition_on_labelled: bool,
        bias: bool,
        mode: Literal["blocked", "sequential"],
        greedy_trials: int,
        memory_gib: float | None,
    ) -> None:
        one_of("acquisition.first", first, FIRSTS)
        one_of("acquisition.mode", mode, ("blocked", "sequential"))
        at_least(1, "acquisition", greedy_trials=greedy_trials)
        needs = {"logits", "features"}
        self.needs = frozenset(needs | {f"labelled_{name}" for name in needs} if condition_on_labelled else needs)
        self.first = first
        self.condition_on_labelled = condition_on_labelled
        self.bias = bias
        self.max_block = MAX_BLOCK if mode == "blocked" else 1
        self.greedy_trials = greedy_trials
        self.memory_gib = memory_gib

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        points = self.embed(candidates.logits_NC, candidates.features_ND)
        refuse_not_finite(points.norms_N, candidates.rows, "logits or features")
        start: First | Tensor = FIRSTS[self.first]
        if self.condition_on_labelled:
            labelled = self.embed(candidates.labelled_logits_LC, candidates.labelled_features_LD)
            refuse_not_finite(labelled.norms_N, np.arange(len(labelled)), "labelled logits or features, from 0,")
            start = nearest_labelled(points, labelled) if len(labelled) else uniform
        rows: np.ndarray = candidates.rows[self.draw(points, budget, rng, start)]
        return rows

    def cost(self, sizes: Sizes) -> Cost:
        """Returns b N (C + D), and L N (C + D) more if labelled rows condition the draws."""
        rows = sizes.candidates + (sizes.labelled if self.condition_on_labelled else 0)
        softmax = Cost(6.0 * rows * sizes.classes, 8.0 * FLOAT * rows * sizes.classes, functions=rows * sizes.classes)
        kept = FLOAT * rows * sizes.classes
        if kept > limit_bytes(self.memory_gib, sizes.device):
            return softmax.times(sizes.bought / self.max_block + 2) + self._draw_cost(sizes, self._width(sizes))
        return (softmax + self._draw_cost(sizes, self._width(sizes))).holding(kept)

    def _width(self, sizes: Sizes) -> int:
        return sizes.classes + sizes.features + self.bias

    def _draw_cost(self, sizes: Sizes, width: int) -> Cost:
        """Returns the cost of the draws from gradients whose two factors have `width` columns together."""
        rows = sizes.candidates
        start = kernel_cost.points(rows, width) + kernel_cost.fold(rows, 1, width, 2)
        start += kernel_cost.feature_chunks(sizes.classes + sizes.features, self.memory_gib, sizes)
        if self.condition_on_labelled:
            start += kernel_cost.points(sizes.labelled, width) + kernel_cost.fold(rows, sizes.labelled, width, 2)
        if self.greedy_trials > 1:
            trials = kernel_cost.fold(rows, self.greedy_trials, width, 2) + kernel_cost.fold(rows, 1, width, 2)
            return start + (trials + Cost(0, 24.0 * rows, 8.0 * rows)).times(sizes.bought)
        return start + kernel_cost.kmeans_plusplus(rows, width, sizes.bought, 2, self.max_block)

    def embed(self, logits_NC: Tensor, features_ND: Tensor) -> Points:
        """Returns the gradient embeddings; the softmax is taken once where the result fits, else in every pass."""
        chunk = feature_chunk(logits_NC.shape[1] + features_ND.shape[1], self.memory_gib, features_ND.device)
        factor = in_memory(Factor(logits_NC, residual), self.memory_gib)
        return Points([factor, Factor(features_ND, with_one if self.bias else None)], chunk)

    def draw(self, points: Points, budget: int, rng: np.random.Generator, start: First | Tensor) -> np.ndarray:
        if self.greedy_trials > 1:
            return kmeans_plusplus_with_trials(points, budget, rng, start, self.greedy_trials)
        return kmeans_plusplus(points, budget, rng, start, self.max_block)


def with_one(features_BD: Tensor) -> Tensor:
    return F.pad(features_BD, (0, 1), value=1.0)
