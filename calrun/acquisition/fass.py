"""FASS: filtered active submodular selection. Wei et al. 2015, "Submodularity in Data Subset Selection and Active
Learning", Sec. 5; Das et al. 2023, App. C.1; Beck et al. 2021.

Dimension key: N candidates, F filtered rows, C classes, D features.
"""

import numpy as np
import torch

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel import kernel_cost
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.finite_features import refuse_broken_features
from calrun.acquisition.kernel.greedy import facility_location
from calrun.acquisition.kernel.memory import limit_bytes
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.acquisition.kernel.similarity import Kernel, Similarity, row_bytes, too_many
from calrun.look.columns import Column
from calrun.look.sizes import FLOAT, Sizes
from calrun.part.part import Part


class Fass(Acquisition):
    """Keeps the most uncertain rows, and of those takes the ones that best stand for the others.

    Args:
        uncertainty: the acquisition that filters; the papers take entropy.
        factor: rows that the filter keeps for each row of the budget; Beck et al.'s code takes 5, Das et al. leave it
            open.
        kernel: the similarity: clipped cosine in Beck et al.'s code, rbf in Das et al.
        per_pseudo_class: gives rows of different predicted classes similarity 0 (Wei et al.); later code ignores
            classes.
        memory_gib: limit for the similarity matrix in GiB, beyond which its rows are computed when needed; `None` takes
            a quarter of the free memory.
    """

    approximation = "a smaller acquisition.factor"

    def __init__(
        self,
        uncertainty: Acquisition,
        factor: float,
        kernel: Kernel,
        per_pseudo_class: bool,
        memory_gib: float | None,
    ) -> None:
        if factor < 1:
            raise ValueError(f"acquisition.factor must be at least 1, got {factor}; 1 takes the most uncertain rows")
        self.needs = uncertainty.needs | {"features"} | ({"logits"} if per_pseudo_class else frozenset())
        self.num_mc_samples = uncertainty.num_mc_samples
        self.classifies_rows = uncertainty.classifies_rows or per_pseudo_class
        self.uncertainty = uncertainty
        self.factor = factor
        self.kernel = kernel
        self.per_pseudo_class = per_pseudo_class
        self.memory_gib = memory_gib

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        kept = np.sort(self.uncertainty.select(candidates, int(np.ceil(self.factor * budget)), rng))
        index = torch.from_numpy(np.searchsorted(candidates.rows, kept))
        features_FD = candidates.features_ND[index.to(candidates.features_ND.device)]
        refuse_broken_features(candidates.features_ND, candidates.rows)
        groups_F = None
        if self.per_pseudo_class:
            groups_F = candidates.logits_NC[index.to(candidates.logits_NC.device)].argmax(dim=1)
        if budget <= 0:
            return kept[:0]
        similarity = Similarity(self.kernel, features_FD, None, groups_F, self.memory_gib)
        rows: np.ndarray = kept[facility_location(similarity, budget)]
        return rows

    def for_pixels(self) -> Acquisition:
        return Fass(self.uncertainty.for_pixels(), self.factor, self.kernel, self.per_pseudo_class, self.memory_gib)

    def columns(self) -> dict[str, Column]:
        return self.uncertainty.columns()

    def parts(self) -> dict[str, Part]:
        return self.uncertainty.parts()

    def cost(self, sizes: Sizes) -> Cost:
        """Returns the filter's cost, then F^2 D for the similarities and F^2 ln b for the choice."""
        filtered = sizes.with_budget(self.factor * sizes.budget)
        rows, width, limit = filtered.bought, sizes.features, limit_bytes(self.memory_gib, sizes.device)
        look = Cost(sizes.candidates * width, FLOAT * (sizes.candidates + 2 * rows) * width)
        choice = kernel_cost.facility_location(rows, rows, width, sizes.bought, limit, self.kernel.functions)
        choice = choice.holding(FLOAT * rows * width) + kernel_cost.chunks(row_bytes(rows), self.memory_gib, sizes)
        return self.uncertainty.cost(filtered) + look + choice + Cost(refusal=too_many(rows, rows))
