"""What GLISTER may add to a gain so that a batch is not redundant. Killamsetty et al. 2021, Sec. 4; DISTIL's forms.

Distances are between last-layer gradients (p - y) x [h; 1], whose inner products factorise.

Dimension key: N candidates, B rows of one chunk, C classes, D features.
"""

import math
from typing import Protocol

import torch
from torch import Tensor

from calrun.acquisition.cost import FLOAT, Cost, Sizes
from calrun.acquisition.memory import chunk_rows


class Regulariser(Protocol):
    """A reward per candidate that changes with each pick."""

    reward_N: Tensor

    def add(self, position: int) -> None:
        """Takes note of a pick."""
        ...


class Gradients:
    """The last-layer gradients of all candidates, by their two factors."""

    def __init__(self, residual_NC: Tensor, features_ND: Tensor, memory_gib: float | None) -> None:
        self.residual_NC, self.features_ND = residual_NC, features_ND
        squares = [part.to(residual_NC.dtype).square().sum(dim=1) for part in torch.split(features_ND, 4096)]
        self.norm_N = residual_NC.square().sum(dim=1) * (1 + torch.cat(squares))
        self.chunk = chunk_rows(4 * self.norm_N.nbytes, memory_gib, features_ND.device)

    def squared_distances(self, rows: Tensor) -> Tensor:
        """Returns |g_i - g_j|^2 of some rows (B) to all candidates, (B, N)."""
        inner_BN = (self.features_ND[rows] @ self.features_ND.T).to(self.norm_N.dtype).add_(1)
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
    """Adds by how much a row would reduce the squared distances of all candidates to the batch.

    Before the first pick all candidates are equally far from the (empty) batch, so that the reward is minus the sum of
    squared distances, in closed form, up to a constant. Afterwards only the rows that a pick brings nearer are visited.
    """

    def __init__(self, gradients: Gradients) -> None:
        self.gradients = gradients
        features_ND = gradients.features_ND.to(gradients.residual_NC.dtype)
        total_CD = gradients.residual_NC.T @ features_ND
        towards_NC = torch.nn.functional.linear(features_ND, total_CD, gradients.residual_NC.sum(dim=0))
        inner_N = (towards_NC * gradients.residual_NC).sum(dim=1)
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


def regulariser_cost(name: str, sizes: Sizes, picks: int) -> Cost:
    """Returns what a reward takes: N (C + D) for each pick, or N^2 (C + D) ln b in all for facility location."""
    rows, width = sizes.candidates, sizes.classes + sizes.features
    norms = Cost(2.0 * rows * width, 2 * FLOAT * rows * width, 4 * FLOAT * rows)
    distances = Cost(2.0 * rows * width, FLOAT * rows * (width + 12), 4 * FLOAT * rows, calls=20)
    if name == "diversity":
        return norms + (distances + Cost(functions=rows)).times(picks)
    if name == "facility_location":
        start = Cost(4.0 * rows * sizes.classes * sizes.features, FLOAT * rows * (2 * width + 4 * sizes.classes))
        return norms + start + distances.times(picks) + distances.times(rows * (1 + math.log(max(picks, 1))) / 2)
    return norms
