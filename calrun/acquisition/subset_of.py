"""Any acquisition on a random subset of the candidates, as the codes of training-dynamics methods choose.

Yoo and Kweon 2019, Kye et al. 2023 (TiDAL) and Caramalau et al. 2021 draw 10,000 rows before they score them, Huang et
al. 2021 (TOD) and Zhang et al. 2020 (gradient norms) 25,000.

Dimension key: N candidates.
"""

from dataclasses import replace

import numpy as np

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.look.columns import Column, column_bytes
from calrun.look.sizes import Sizes
from calrun.part.part import Part
from calrun.text.legal import at_least, is_a


class SubsetOf(Acquisition):
    """Shows the inner acquisition some of the candidates, drawn at random, and all labelled rows.

    The draw is the acquisition's first of the round, so that with the same seed and pool every inner acquisition sees
    the same rows. Where there are no more candidates than `size`, nothing is drawn and the inner one sees them all.

    Args:
        inner: the acquisition that chooses.
        size: number of candidates to look at; never fewer than the budget.
    """

    def __init__(self, inner: Acquisition, size: int) -> None:
        at_least(1, "acquisition", size=size)
        is_a("acquisition.inner", inner, Acquisition)
        if "run_folder" in inner.needs:
            raise ValueError(
                f"acquisition.inner={type(inner).__name__} keeps something between rounds, but the subset changes; set "
                "its options so that it keeps nothing, or choose it without subset_of"
            )
        self.needs = inner.needs
        self.num_mc_samples = inner.num_mc_samples
        self.classifies_rows, self.of_ridge_head = inner.classifies_rows, inner.of_ridge_head
        self.approximation = "a smaller acquisition.size"
        self.inner = inner
        self.size = size

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        number = self._number(len(candidates), budget)
        if number < len(candidates):
            candidates = candidates.at(np.sort(rng.permutation(len(candidates))[:number]))
        return self.inner.select(candidates, budget, rng)

    def for_pixels(self) -> Acquisition:
        return SubsetOf(self.inner.for_pixels(), self.size)

    def columns(self) -> dict[str, Column]:
        return self.inner.columns()

    def parts(self) -> dict[str, Part]:
        return self.inner.parts()

    def wanted(self) -> list[Column]:
        return self.inner.wanted()

    def notes(self) -> dict[str, float]:
        return self.inner.notes()

    def cost(self, sizes: Sizes) -> Cost:
        """Returns the inner acquisition's cost of the subset, plus that of copying the subset's columns."""
        seen = replace(sizes, candidates=self._number(sizes.candidates, sizes.bought))
        if seen.candidates == sizes.candidates:
            return self.inner.cost(sizes)
        copied = sum(column_bytes(self.wanted(), seen).values()) + 8.0 * sizes.candidates
        return Cost(sizes.candidates, 2 * copied) + self.inner.cost(seen).holding(copied)

    def _number(self, num_candidates: int, budget: int) -> int:
        return min(num_candidates, max(self.size, budget))
