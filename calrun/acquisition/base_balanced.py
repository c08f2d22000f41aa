"""Balanced Selection (BASE). Emam et al. 2021, "Active Learning at the ImageNet Scale", Alg. 2.

Dimension key: N candidates, C classes, D features, R rank of the head, J classes other than the wanted one.
"""

import heapq
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.memory import chunk_rows, limit_bytes
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.acquisition.kernel.top_k import finite, smallest
from calrun.acquisition.mase import boundary_gap, leave_cost, leave_distance, row_bytes
from calrun.look.sizes import FLOAT, Sizes
from calrun.text.legal import one_of

FIRST_DEPTH = 32  # rows that a queue holds beyond its quota before it has to look again
Nearest = Iterator[tuple[float, int]]  # (distance, position), nearest first


class BalancedSelection(Acquisition):
    """Takes, for each class in turn, the rows nearest to that class's decision boundary.

    Args:
        dcsdb: how far a row is from entering a class that is not its predicted one: `pairwise` measures to the
            hyperplane between the two classes (the authors' code), `exact` to the region of the class (Sec. 4).
        order: `class_major` fills the whole quota of a class before the next, as the authors' code does; `round_robin`
            gives each class one row at a time, as Alg. 2 does. The first classes get the remainder.
        memory_gib: limit for temporary tensors in GiB; `None` takes a quarter of the free memory.
    """

    needs = frozenset({"logits", "head_weight"})

    def __init__(self, dcsdb: str, order: str, memory_gib: float | None) -> None:
        one_of("acquisition.dcsdb", dcsdb, ("pairwise", "exact"))
        one_of("acquisition.order", order, ("class_major", "round_robin"))
        self.dcsdb, self.order, self.memory_gib = dcsdb, order, memory_gib

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        budget = max(0, min(budget, len(candidates)))
        boundaries = Boundaries(candidates, self.memory_gib)
        classes = np.arange(len(candidates.head_weight_CD))
        turns = np.resize(classes, budget)
        if self.order == "class_major":
            turns = np.sort(turns)
        depth = budget // len(classes) + FIRST_DEPTH
        queues = [nearest_first(partial(boundaries.distance_to, c), depth) for c in classes.tolist()]
        if self.dcsdb == "exact":
            regions = Regions(candidates)
            queues = [regions.nearest_first(c, queue) for c, queue in enumerate(queues)]
        picked: dict[int, None] = {}  # an ordered set
        for c in turns.tolist():
            picked[next(position for _, position in queues[c] if position not in picked)] = None
        return candidates.rows[list(picked)].astype(np.int64)

    def cost(self, sizes: Sizes) -> Cost:
        """Returns N C for the distances and as much for the nearest rows of each class; `exact` solves b problems."""
        numbers, rows = float(sizes.candidates * sizes.classes), sizes.candidates
        turned = FLOAT * numbers if FLOAT * numbers <= limit_bytes(self.memory_gib, sizes.device) else 0.0
        queues = Cost(3 * numbers, 160.0 * numbers, 24.0 * rows, calls=25 * sizes.classes)
        problems = Cost(4.0 * sizes.bought * sizes.classes**3, calls=200 * sizes.bought)
        if self.dcsdb == "pairwise":
            problems = Cost(calls=sizes.bought)
        return (leave_cost(sizes, self.memory_gib) + queues + problems).holding(turned + 24.0 * rows)


class Boundaries:
    """The pairwise distances of all rows, one class at a time."""

    def __init__(self, candidates: Candidates, memory_gib: float | None) -> None:
        logits_NC = candidates.logits_NC
        single = torch.promote_types(logits_NC.dtype, torch.float32)  # half-precision stores are read chunk by chunk
        self.gap_CC = boundary_gap(candidates.head_weight_CD).to(logits_NC.device, single)
        self.top_N, self.class_N = (
            logits_NC.new_empty(len(logits_NC), dtype=single),
            logits_NC.new_empty(len(logits_NC), dtype=torch.long),
        )
        self.leave_N = torch.empty_like(self.top_N)
        chunk = chunk_rows(row_bytes(logits_NC.shape[1], single.itemsize), memory_gib, logits_NC.device)
        for start in range(0, len(logits_NC), chunk):
            at = slice(start, start + chunk)
            part_BC = logits_NC[at].to(single)
            torch.max(part_BC, dim=1, out=(self.top_N[at], self.class_N[at]))
            self.leave_N[at] = leave_distance(part_BC, self.gap_CC)
        finite(self.leave_N, candidates.rows, "distances to a decision boundary")
        self.has_twins = bool((self.gap_CC == 0).any())
        by_class_N = torch.argsort(self.class_N, stable=True)
        sizes = torch.bincount(self.class_N, minlength=len(self.gap_CC)).tolist()
        self.predicted = torch.split(by_class_N, sizes)  # positions by predicted class
        fits = logits_NC.nbytes <= limit_bytes(memory_gib, logits_NC.device)
        self.logits_CN = logits_NC.T.contiguous() if fits else logits_NC.T

    def distance_to(self, c: int) -> Tensor:
        """Returns each row's distance from entering class c, or from leaving it where c is the predicted class (N,)."""
        distance_N = (self.top_N - self.logits_CN[c]).div_(self.gap_CC[c].take(self.class_N))
        if self.has_twins:  # classes with equal weights tie or never win
            distance_N = distance_N.masked_fill_(self.top_N == self.logits_CN[c], 0).clamp_max_(
                torch.finfo(distance_N.dtype).max
            )
        distance_N[self.predicted[c]] = self.leave_N[self.predicted[c]]
        return distance_N


def nearest_first(distance: Callable[[], Tensor], depth: int) -> Nearest:
    """Yields positions by ascending distance, ties by position; keeps only `depth` of them and looks again for more."""
    done = 0
    while True:
        distance_N = distance()
        number = len(distance_N)
        nearest = smallest(distance_N, np.arange(number), depth)[done:]
        ahead = list(zip(distance_N.cpu().numpy()[nearest].tolist(), nearest.tolist(), strict=True))
        del distance_N  # kept for each class, these would be all distances at once
        yield from ahead
        done, depth = done + len(nearest), 4 * depth
        if done == number:
            return


class Regions:
    """The polytopes of the classes in feature space, in coordinates of the span of the head's rows."""

    def __init__(self, candidates: Candidates) -> None:
        weight_CD = candidates.head_weight_CD.double()
        self.weight_CR = torch.linalg.qr(weight_CD.T, mode="r").R.T.cpu().numpy()
        self.logits_NC = candidates.logits_NC

    def nearest_first(self, c: int, lower_bounds: Nearest) -> Nearest:
        """Yields positions by ascending exact distance to the region of c; solves only where bounds do not decide."""
        solved: list[tuple[float, int]] = []
        for bound, position in lower_bounds:
            while solved and solved[0][0] < bound:
                yield heapq.heappop(solved)
            exact = region_distance(self.logits_NC[position].double().cpu().numpy(), self.weight_CR, c, bound)
            heapq.heappush(solved, (exact, position))
        while solved:
            yield heapq.heappop(solved)


def region_distance(logits_C: np.ndarray, weight_CR: np.ndarray, c: int, bound: float) -> float:
    """Returns min |e| subject to (w_c - w_j) e >= z_j - z_c for all j, or `bound` where that is known to be exact.

    The bound is the projection onto the hyperplane between c and the top class: exact if c wins there, or if c is the
    top class already. Otherwise it is least-distance programming by non-negative least squares (Lawson and Hanson 1974,
    "Solving Least Squares Problems", Ch. 23).
    """
    top = int(logits_C.argmax())
    toward_R = weight_CR[c] - weight_CR[top]
    squared_gap = float(toward_R @ toward_R)
    if c == top or squared_gap == 0:
        return bound
    lead = logits_C[top] - logits_C[c]
    projected_C = logits_C + weight_CR @ toward_R * (lead / squared_gap)
    if projected_C[c] >= projected_C.max() - 1e-9 * np.abs(logits_C).max():
        return bound
    gap = np.sqrt(squared_gap)  # divided by it and by `lead`, the problem has no scale
    normal_JR = np.delete(weight_CR[c] - weight_CR, c, axis=0) / gap
    wanted_J = np.delete(logits_C - logits_C[c], c) / lead
    target = np.zeros(normal_JR.shape[1] + 1)
    target[-1] = 1
    system = np.vstack([normal_JR.T, wanted_J])
    residual = system @ nnls(system, target)[0] - target
    if residual @ residual < 1e-12:  # no point of feature space belongs to c
        return float(np.finfo(np.float64).max)
    return max(bound, float(lead / gap * np.linalg.norm(residual[:-1]) / abs(residual[-1])))
