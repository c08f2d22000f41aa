"""Any acquisition on parts of the pool, each with its share of the budget.

Emam et al. 2021, "Active Learning at the ImageNet Scale", App. A.3 (ten random parts, labelled rows split too); Beck et
al. 2021 (contiguous parts, all labelled rows in each).

Dimension key: N candidates, L labelled rows, P parts.
"""

from dataclasses import replace
from math import ceil

import numpy as np

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.look.columns import Column, column_bytes
from calrun.look.sizes import Sizes
from calrun.part.part import Part
from calrun.text.legal import at_least, is_a


class Partitioned(Acquisition):
    """Splits the candidates into parts of nearly equal size and lets the inner acquisition choose in each.

    Args:
        inner: the acquisition that chooses.
        partitions: number of parts; Emam et al. take 10.
        shuffle: parts are random, and the first ones get the remainder of the budget (Emam et al.); otherwise they are
            ranges of rows and the cumulative budget is rounded up (Beck et al.).
        split_labelled: each part sees its share of the labelled rows (Emam et al.); otherwise it sees them all.
        subset_labelled: maximum number of labelled rows to look at, drawn at random (50,000 in Emam et al.'s ImageNet
            commands, which the paper does not mention); `None` for all.
        subset_unlabelled: maximum number of candidates to look at, drawn at random (80,000 there, more where there are
            fewer than 50,000 labelled rows, up to 130,000 rows in all); `None` for all. Never fewer than the budget.
    """

    def __init__(
        self,
        inner: Acquisition,
        partitions: int,
        shuffle: bool,
        split_labelled: bool,
        subset_labelled: int | None,
        subset_unlabelled: int | None,
    ) -> None:
        at_least(1, "acquisition", partitions=partitions)
        is_a("acquisition.inner", inner, Acquisition)
        at_least(0, "acquisition", subset_labelled=subset_labelled, subset_unlabelled=subset_unlabelled)
        if "run_folder" in inner.needs:
            raise ValueError(
                f"acquisition.inner={type(inner).__name__} keeps something between rounds, but parts change; set its "
                "options so that it keeps nothing"
            )
        self.needs = inner.needs
        self.num_mc_samples = inner.num_mc_samples
        self.classifies_rows, self.of_ridge_head = inner.classifies_rows, inner.of_ridge_head
        self.approximation = "more acquisition.partitions, or acquisition.subset_unlabelled"
        self.inner = inner
        self.partitions = partitions
        self.shuffle = shuffle
        self.split_labelled = split_labelled
        self.subset_labelled = subset_labelled
        self.subset_unlabelled = subset_unlabelled

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        budget = min(budget, len(candidates))
        parts = self._parts(candidates, budget, rng)
        shares = shares_of(budget, self.partitions, self.shuffle, [len(part_N) for part_N, _ in parts])
        chosen = [
            self.inner.select(with_scratch(candidates.at(*part), i), share, rng)  # one at a time: each part is a copy
            for i, (part, share) in enumerate(zip(parts, shares, strict=True))
        ]
        return np.concatenate(chosen).astype(np.int64)

    def for_pixels(self) -> Acquisition:
        inner, drawn = self.inner.for_pixels(), (self.subset_labelled, self.subset_unlabelled)
        return Partitioned(inner, self.partitions, self.shuffle, self.split_labelled, *drawn)

    def columns(self) -> dict[str, Column]:
        return self.inner.columns()

    def parts(self) -> dict[str, Part]:
        return self.inner.parts()

    def cost(self, sizes: Sizes) -> Cost:
        """Returns the inner acquisition's cost of one part, times the number of parts, plus that of making them."""
        candidates, labelled = self._numbers(sizes.candidates, sizes.labelled, sizes.bought)
        seen = replace(sizes, candidates=candidates, labelled=labelled)
        part = seen.share(self.partitions, ceil(labelled / (self.partitions if self.split_labelled else 1)))
        copied = sum(column_bytes(self.wanted(), part).values())
        return (Cost(0, 2.0 * copied) + self.inner.cost(part)).times(self.partitions).holding(copied)

    def _parts(
        self, candidates: Candidates, budget: int, rng: np.random.Generator
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns the positions of each part's candidates and labelled rows, both ascending."""
        num_labelled = candidates.num_labelled()
        num_kept, num_kept_labelled = self._numbers(len(candidates), num_labelled, budget)
        kept_L = self._subset(num_labelled, num_kept_labelled, rng)
        kept_N = self._subset(len(candidates), num_kept, rng)
        parts_L = np.array_split(kept_L, self.partitions) if self.split_labelled else [kept_L] * self.partitions
        parts_N = np.array_split(kept_N, self.partitions)
        return [(np.sort(part_N), np.sort(part_L)) for part_N, part_L in zip(parts_N, parts_L, strict=True)]

    def _numbers(self, num_candidates: int, num_labelled: int, budget: int) -> tuple[int, int]:
        """Returns how many candidates and labelled rows to look at."""
        wanted = num_labelled if self.subset_labelled is None else self.subset_labelled
        kept_labelled = min(wanted, num_labelled)
        if self.subset_unlabelled is None:
            return num_candidates, kept_labelled
        room = self.subset_unlabelled + wanted - kept_labelled
        return min(num_candidates, max(room, budget)), kept_labelled

    def _subset(self, number: int, kept: int, rng: np.random.Generator) -> np.ndarray:
        """Returns `kept` of the positions: shuffled if parts are to be random, else ascending."""
        if self.shuffle and self.partitions > 1:
            return rng.permutation(number)[:kept]
        return np.arange(number) if kept == number else np.sort(rng.permutation(number)[:kept])


def with_scratch(part: Candidates, number: int) -> Candidates:
    """Returns a part with a scratch folder of its own: what a killed part leaves there must not reach the others."""
    if "scratch" not in part.columns:
        return part
    return replace(part, columns=part.columns | {"scratch": part.scratch / f"part-{number}"})


def shares_of(budget: int, partitions: int, remainder_first: bool, sizes_P: list[int]) -> list[int]:
    """Returns each part's budget; where rounding gives a part more than it holds, the next parts take the rest."""
    if remainder_first:
        wanted = [budget // partitions + (i < budget % partitions) for i in range(partitions)]
    else:
        reached = [-(-budget * (i + 1) // partitions) for i in range(partitions)]
        wanted = np.diff([0, *reached]).tolist()
    shares = [min(want, size) for want, size in zip(wanted, sizes_P, strict=True)]
    for i, size in enumerate(sizes_P):
        shares[i] += min(size - shares[i], budget - sum(shares))
    return shares
