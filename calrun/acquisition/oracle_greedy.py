"""A reference above random: rows bought one at a time by what their labels do for a ridge head on fixed features.

After each pick the head of method=ridge is fitted again, exactly, and the next pick is the row with which it would get
most of a third split right, neither training nor test. It reads the labels of the whole pool and of that split, so it
is no method. It is no ceiling either: a greedy choice is not the best one. With another head it is not even a
reference: on digits a softmax head learns less from these rows than from random ones.

Dimension key: N candidates, L labelled rows, V validation rows, C classes, D features.
"""

import numpy as np
import torch

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel import kernel_cost
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.factors import MAX_BLOCK, spans
from calrun.acquisition.kernel.finite_features import refuse_broken_features
from calrun.acquisition.kernel.memory import chunk_rows
from calrun.acquisition.kernel.ridge import TIE, RidgeHead, inputs, row_bytes
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.look.sizes import Sizes

DOUBLE = 8  # bytes of a number in double precision
CACHED_NUMBERS = 1 << 20  # scores of a chunk, so that they stay near the caches


class OracleGreedy(Acquisition):
    """Takes, one after the other, the row whose label raises the validation accuracy of a ridge head most.

    Ties go to the smaller squared loss on the validation rows, then to the smaller row.

    Args:
        ridge: lambda of the head.
        memory_gib: limit for temporary tensors in GiB; `None` takes a quarter of the free memory.
    """

    needs = frozenset({"features", "oracle", "labelled_features", "labelled_targets", "val_features", "val_targets"})
    of_ridge_head = True
    classifies_rows = True
    approximation = "acquisition=subset_of acquisition@acquisition.inner=oracle_greedy, or a smaller val_fraction"

    def __init__(self, ridge: float, memory_gib: float | None) -> None:
        if not 0 < ridge < float("inf"):
            raise ValueError(f"acquisition.ridge wants a finite number above 0, got {ridge}")
        self.ridge, self.memory_gib = ridge, memory_gib

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates, budget = in_row_order(candidates), min(budget, len(candidates))
        if budget <= 0:
            return candidates.rows[:0].astype(np.int64)
        trial = Trial(candidates, self.ridge, self.memory_gib)
        picked: list[int] = []
        for _ in range(budget):
            picked.append(trial.best(picked))
            trial.take(picked[-1])
        return candidates.rows[picked].astype(np.int64)

    def cost(self, sizes: Sizes) -> Cost:
        """Returns b N (D^2 + D V + V C), for each pick tries every candidate."""
        rows, width, classes, val = sizes.candidates, sizes.features + 1, sizes.classes, max(sizes.validation, 1)
        products = 2.0 * width * (width + val + classes) + 2.0 * val * classes
        tried = Cost(
            rows * (products + 4.0 * val * classes),
            DOUBLE * rows * (6.0 * width + 6.0 * val + 6.0 * val * classes),
            calls=30 * max(1.0, rows * val * classes / CACHED_NUMBERS),
        )
        fitted = Cost(2.0 * width**2 * (sizes.labelled + width), DOUBLE * 4.0 * (sizes.labelled + width) * width)
        per_row = row_bytes(sizes.features, val, classes)
        chunk = DOUBLE * max(CACHED_NUMBERS, val * classes) + per_row
        held = DOUBLE * (3.0 * width**2 + width * (2 * sizes.labelled + val) + 3.0 * val * classes + 4.0 * rows)
        work = fitted + tried.times(sizes.bought) + kernel_cost.chunks(per_row, self.memory_gib, sizes)
        return (work + Cost(bytes_peak=4.0 * chunk)).holding(held)


class Trial:
    """The candidates before the head as it stands."""

    def __init__(self, candidates: Candidates, ridge: float, memory_gib: float | None) -> None:
        columns = (candidates.features_ND, candidates.labelled_features_LD, candidates.val_features_VD)
        self.features_ND, labelled_LD, val_VD = columns
        targets = (candidates.oracle_N, candidates.labelled_targets_L, candidates.val_targets_V)
        self.targets_N, targets_L, targets_V = (target.to(self.features_ND.device).long() for target in targets)
        refuse_broken(candidates)
        if not len(val_VD):
            raise ValueError(
                "acquisition=oracle_greedy looks at a validation split, but it has no rows; set val_fraction above 0"
            )
        present = [int(target.max()) for target in (self.targets_N, targets_L, targets_V) if len(target)]
        num_classes = 1 + max(present, default=0)
        bytes_per_row = row_bytes(self.features_ND.shape[1], len(val_VD), num_classes)
        limit = chunk_rows(bytes_per_row, memory_gib, self.features_ND.device)
        self.chunk = max(1, min(limit, MAX_BLOCK, CACHED_NUMBERS // (len(val_VD) * num_classes)))
        self.tie = TIE * len(val_VD)
        self.head = RidgeHead(ridge, inputs(val_VD), targets_V, num_classes)
        self.head.fit(inputs(labelled_LD), targets_L)

    def best(self, taken: list[int]) -> int:
        """Returns the position of the next row."""
        parts = [
            self.head.with_each(inputs(self.features_ND[span]), self.targets_N[span])
            for span in spans(0, len(self.features_ND), self.chunk)
        ]
        right_N, loss_N = (torch.cat(part) for part in zip(*parts, strict=True))
        right_N[taken] = -1
        loss_N[right_N < right_N.max()] = torch.inf
        return int((loss_N <= loss_N.min() + self.tie).nonzero()[0])

    def take(self, position: int) -> None:
        """Fits the head to one more row."""
        x_1D = inputs(self.features_ND[position : position + 1])
        self.head.add(x_1D[0], int(self.targets_N[position]))


def refuse_broken(candidates: Candidates) -> None:
    """Raises a ValueError if some features are not finite."""
    refuse_broken_features(candidates.features_ND, candidates.rows)
    for what, column in (("labelled", candidates.labelled_features_LD), ("validation", candidates.val_features_VD)):
        if len(column):
            refuse_broken_features(column, np.arange(len(column)), f"{what} features, from 0,")
