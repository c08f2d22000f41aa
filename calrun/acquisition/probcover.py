"""ProbCover. Yehuda et al. 2022, "Active Learning Through a Covering Lens", Alg. 1.

The graph of rows within delta of each other is never stored: degrees take one pass over all pairs, and each covered row
lowers its neighbours' degrees once.

Dimension key: N candidates, L labelled rows, M newly covered rows, D features.
"""

from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.coreset import centred_points, nearest_labelled
from calrun.acquisition.kernel import kernel_cost
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.factors import MAX_CENTRES, Points, distances, full_precision
from calrun.acquisition.kernel.memory import limit_bytes
from calrun.acquisition.kernel.purity import pure_radius, purity_cost
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.look.columns import Column, column_bytes
from calrun.look.sizes import Sizes
from calrun.part.part import Part
from calrun.text.say import warn

MOST_ROWS = 200_000  # all pairs of more rows take hours


class ProbCover(Acquisition):
    """Takes, one after the other, the row with the most uncovered rows in the ball of radius delta around it.

    Args:
        delta: radius, in features of unit length if `normalize`. `purity` takes the largest at which 95 % of the balls
            are pure, found again for each choice (in the paper, once); the authors' code defaults to 0.6 and takes 0.75
            for CIFAR-10, on self-supervised features.
        normalize: scales rows to unit length first, like the paper's self-supervised features.
        fallback: chooses once everything is covered, where the authors' code would take the first row again.
        memory_gib: limit for temporary tensors in GiB; `None` takes a quarter of the free memory.
    """

    approximation = "acquisition=partitioned_coreset acquisition@acquisition.inner=probcover"

    def __init__(
        self, delta: float | Literal["purity"], normalize: bool, fallback: Acquisition, memory_gib: float | None
    ) -> None:
        if delta != "purity" and not delta > 0:
            raise ValueError(f"acquisition.delta must be positive, got {delta}; it is the radius of a ball")
        foreign = sorted(name for name in fallback.needs - {"labelled_features"} if name.startswith("labelled"))
        if foreign:
            raise ValueError(
                f"acquisition.fallback of probcover needs {foreign}, which the rows just chosen do not have yet; "
                "choose random or typiclust"
            )
        self.needs = frozenset({"features", "labelled_features"}) | fallback.needs
        self.needs |= {"head_bias"} if delta == "purity" else set()  # as many entries as classes
        self.num_mc_samples = fallback.num_mc_samples
        self.classifies_rows = fallback.classifies_rows
        self.delta = delta
        self.normalize = normalize
        self.fallback = fallback
        self.memory_gib = memory_gib
        self._notes: dict[str, float] = {}

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        features_ND, labelled_LD = candidates.features_ND, candidates.labelled_features_LD
        points, labelled = centred_points(features_ND, labelled_LD, candidates.rows, self.memory_gib, self.normalize)
        nearest_N = nearest_labelled(points, labelled)
        points = points.in_memory(self.memory_gib)
        budget = min(budget, len(candidates))
        delta = self._radius(points, candidates, rng)
        picks = greedy_cover(points, nearest_N < delta**2, budget, delta)
        chosen: np.ndarray = candidates.rows[picks].astype(np.int64)
        self._notes = {"delta": delta, "covering_picks": len(picks), "fallback_picks": budget - len(picks)}
        if len(picks) >= budget:
            return chosen
        warn(
            f"acquisition=probcover: balls of radius {delta:.3g} around {len(labelled)} labelled rows and {len(picks)} "
            f"picks cover all {len(candidates)} candidates, so that the other {budget - len(picks)} of {budget} picks "
            f"are those of {type(self.fallback).__name__}; lower acquisition.delta, or set it to purity"
        )
        more = self.fallback.select(_without(candidates, picks, self.fallback.needs), budget - len(picks), rng)
        return np.concatenate([chosen, more]).astype(np.int64)

    def for_pixels(self) -> Acquisition:
        return ProbCover(self.delta, self.normalize, self.fallback.for_pixels(), self.memory_gib)

    def columns(self) -> dict[str, Column]:
        return self.fallback.columns()

    def parts(self) -> dict[str, Part]:
        return self.fallback.parts()

    def notes(self) -> dict[str, float]:
        """Returns the radius, and how many of the last picks cover and how many are the fallback's."""
        return self._notes

    def _radius(self, points: Points, candidates: Candidates, rng: np.random.Generator) -> float:
        if self.delta != "purity":
            return self.delta
        bias_C = candidates.head_bias_C
        if not bias_C.isfinite().all():
            raise ValueError("head_bias is not finite in some entries; look for a diverged model")
        return pure_radius(points, len(bias_C), rng) if len(points) else 0.0

    def cost(self, sizes: Sizes) -> Cost:
        """Returns N^2 D twice, to find the degrees and to lower them as rows get covered; L N D for labelled rows."""
        rows, width = sizes.candidates, sizes.features
        start = kernel_cost.points(rows, width) + kernel_cost.fold(rows, sizes.labelled, width)
        balls = kernel_cost.fold(rows, 1, width).times(sizes.bought)
        held = kernel_cost.ready(rows, width, limit_bytes(self.memory_gib, sizes.device))
        cover = (start + kernel_cost.fold(rows, rows, width).times(2) + balls).holding(held)
        if self.delta == "purity":
            cover += purity_cost(rows, width, sizes.classes).holding(held)
        left = self.fallback.cost(sizes).holding(sum(column_bytes(self.fallback.wanted(), sizes).values()))
        chunks = kernel_cost.feature_chunks(width, self.memory_gib, sizes)
        return cover + left + Cost(refusal=too_many(rows, rows)) + chunks


def greedy_cover(points: Points, covered_N: Tensor, budget: int, delta: float) -> np.ndarray:
    """Returns the positions that greedily cover the most rows, ties to the lowest, until all are covered.

    Args:
        points: the rows.
        covered_N: which rows are covered already.
        budget: maximum number of positions.
        delta: radius of a ball, which excludes its border.

    Raises:
        ValueError: if there are too many pairs.
    """
    uncovered = (~covered_N).nonzero().squeeze(1)
    if refusal := too_many(len(points), len(uncovered)):
        raise ValueError(refusal)
    covered_N = covered_N.clone()
    picks: list[int] = []
    degrees_N = _degrees(points, uncovered, delta) if budget > 0 else torch.zeros_like(covered_N)
    while len(picks) < budget and not covered_N.all():
        pick = int(degrees_N.argmax())  # the first of several
        newly_N = _ball(points, pick, delta) & ~covered_N
        picks.append(pick)
        covered_N |= newly_N
        degrees_N -= _degrees(points, newly_N.nonzero().squeeze(1), delta)
        degrees_N[picks] = -1
    return np.array(picks, dtype=np.int64)


def too_many(num_rows: int, num_uncovered: int) -> str:
    """Returns why this many pairs are refused, or an empty text."""
    if num_rows * num_uncovered <= MOST_ROWS**2:
        return ""
    return (
        f"probcover compares {num_rows} rows with {num_uncovered} uncovered ones, wanted at most "
        f"{MOST_ROWS**2:.2g} pairs; choose acquisition=partitioned_coreset acquisition@acquisition.inner=probcover "
        "(approximate)"
    )


def _degrees(points: Points, among: Tensor, delta: float) -> Tensor:
    """Returns how many of the points `among` lie in the ball around each point (N,)."""
    degrees_N = torch.zeros(len(points), dtype=torch.int64, device=points.device)
    with full_precision():
        for other in torch.split(among, MAX_CENTRES):
            centres = points.block(other)
            for span in points.spans():
                degrees_N[span] += (distances(points.block(span), centres) < delta**2).sum(dim=1)
    return degrees_N


def _ball(points: Points, centre: int, delta: float) -> Tensor:
    """Returns which points lie in the ball around `centre`, itself included (N,)."""
    inside_N = points.nearest(points.block(torch.tensor([centre], device=points.device))) < delta**2
    inside_N[centre] = True
    return inside_N


def _without(candidates: Candidates, picks: np.ndarray, needs: frozenset[str]) -> Candidates:
    """Returns the candidates that are left, with only the columns in `needs`, as if the picks were labelled."""
    columns = {name: column for name, column in candidates.columns.items() if name in needs}
    if "labelled_features" in needs:
        chosen_MD = candidates.features_ND[torch.from_numpy(picks).to(candidates.features_ND.device)]
        columns["labelled_features"] = torch.cat([candidates.labelled_features_LD.to(chosen_MD), chosen_MD])
    known = replace(candidates, columns=columns)
    left = np.setdiff1d(np.arange(len(candidates)), picks)
    return known.at(left, np.arange(known.num_labelled()))
