"""What GLISTER may add to a gain so that a batch is not redundant. Killamsetty et al. 2021, Sec. 4; DISTIL's forms.

Distances are between last-layer gradients (p - y) x [h; 1], whose inner products factorise.

Dimension key: N candidates, B rows of one chunk, C classes, D features.
"""

import math
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.factors import MAX_BLOCK, full_precision, spans
from calrun.acquisition.kernel.memory import chunk_rows
from calrun.look.sizes import FLOAT, Sizes


class Regulariser(Protocol):
    """A reward per candidate that changes with each pick."""

    reward_N: Tensor

    def add(self, position: int) -> None:
        """Takes note of a pick."""
        ...


class Gradients:
    """The last-layer gradients of all candidates, as their two factors."""

    def __init__(self, residual_NC: Tensor, features_ND: Tensor, memory_gib: float | None) -> None:
        self.residual_NC, self.features_ND = residual_NC, features_ND
        self.blocks = list(spans(0, max(1, len(features_ND)), MAX_BLOCK))
        squares = [self.features(block).square().sum(dim=1) for block in self.blocks]
        self.norm_N = residual_NC.square().sum(dim=1) * (1 + torch.cat(squares))
        self.memory_gib = memory_gib

    @property
    def chunk(self) -> int:
        """Rows whose distances to all candidates are taken at once."""
        return chunk_rows(pair_bytes(len(self.norm_N), self.norm_N.itemsize), self.memory_gib, self.norm_N.device)

    def features(self, index: slice | Tensor) -> Tensor:
        """Returns some rows of the features in the precision of the residuals, whatever they are stored in."""
        return self.features_ND[index].to(self.residual_NC.dtype)

    def squared_distances(self, rows: Tensor) -> Tensor:
        """Returns |g_i - g_j|^2 of some rows (B) to all candidates, (B, N)."""
        rows_BD = self.features(rows)
        with full_precision():
            inner_BN = torch.cat([rows_BD @ self.features(block).T for block in self.blocks], dim=1).add_(1)
            inner_BN.mul_(self.residual_NC[rows] @ self.residual_NC.T)
        squared_BN: Tensor = (self.norm_N[rows, None] + self.norm_N - 2 * inner_BN).clamp_min_(0)
        return squared_BN


class NoReward:
    """Leaves the gains as they are."""

    def __init__(self, gradients: Gradients) -> None:
        self.reward_N = torch.zeros_like(gradients.norm_N)

    def add(self, position: int) -> None:
        pass


class Diversity:
    """Subtracts sum_{s in S} exp(-|g_i - g_s|^2 / 2)."""

    def __init__(self, gradients: Gradients) -> None:
        self.gradients, self.reward_N = gradients, torch.zeros_like(gradients.norm_N)

    def add(self, position: int) -> None:
        at = torch.tensor([position], device=self.reward_N.device)
        self.reward_N -= (self.gradients.squared_distances(at).squeeze(0) / -2).exp_()


class FacilityLocation:
    """Adds how much a row would reduce the squared distances of all candidates to the batch.

    Before the first pick all candidates are equally far from the (empty) batch, so the reward is minus the sum of
    squared distances, up to a constant, in closed form. Afterwards only the rows that a pick brings nearer are visited.
    """

    def __init__(self, gradients: Gradients) -> None:
        self.gradients = gradients
        residual_NC, blocks = gradients.residual_NC, gradients.blocks
        total_CD = residual_NC.new_zeros(residual_NC.shape[1], gradients.features_ND.shape[1])
        for block in blocks:
            total_CD += residual_NC[block].T @ gradients.features(block)
        total_C = residual_NC.sum(dim=0)
        inner = [(F.linear(gradients.features(at), total_CD, total_C) * residual_NC[at]).sum(dim=1) for at in blocks]
        inner_N = torch.cat(inner)
        self.reward_N = 2 * inner_N - len(inner_N) * gradients.norm_N
        self.nearest_N: Tensor | None = None  # squared distance to the batch

    def add(self, position: int) -> None:
        at = torch.tensor([position], device=self.reward_N.device)
        distance_N = self.gradients.squared_distances(at).squeeze(0)
        before_N = self.nearest_N
        if before_N is None:
            self.reward_N = torch.zeros_like(distance_N)
            self.nearest_N = distance_N
            changed = torch.arange(len(distance_N), device=distance_N.device)
        else:
            self.nearest_N = torch.minimum(before_N, distance_N)
            changed = torch.nonzero(self.nearest_N < before_N).squeeze(1)
        for rows in torch.split(changed, self.gradients.chunk):
            distance_BN = self.gradients.squared_distances(rows)
            self.reward_N += (self.nearest_N[rows, None] - distance_BN).clamp_min_(0).sum(dim=0)
            if before_N is not None:
                self.reward_N -= (before_N[rows, None] - distance_BN).clamp_min_(0).sum(dim=0)


REGULARISERS: dict[str, type[NoReward] | type[Diversity] | type[FacilityLocation]] = {
    "none": NoReward,
    "random": NoReward,  # a share of the batch is drawn at random instead
    "diversity": Diversity,
    "facility_location": FacilityLocation,
}


def pair_bytes(num_candidates: int, item: int = FLOAT) -> int:
    """Returns the bytes that a row's distances to all candidates take."""
    return 4 * item * num_candidates


def regulariser_cost(name: str, sizes: Sizes, picks: int) -> Cost:
    """Returns the cost of a reward: N (C + D) for each pick, or N^2 (C + D) ln b in all for facility location."""
    rows, width = sizes.candidates, sizes.classes + sizes.features
    norms = Cost(2.0 * rows * width, 2 * FLOAT * rows * width, 4 * FLOAT * rows)
    distances = Cost(2.0 * rows * width, FLOAT * rows * (width + 12), 4 * FLOAT * rows, calls=20)
    if name == "diversity":
        return norms + (distances + Cost(functions=rows)).times(picks)
    if name == "facility_location":
        start = Cost(4.0 * rows * sizes.classes * sizes.features, FLOAT * rows * (2 * width + 4 * sizes.classes))
        return norms + start + distances.times(picks) + distances.times(rows * (1 + math.log(max(picks, 1))) / 2)
    return norms
