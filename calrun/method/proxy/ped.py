"""PED: lets the classes of features push each other apart, as fine-tuning would. Li et al. 2023, "Exploring Model
Transferability through the Lens of Potential Energy".

A class is a ball around its mean; balls that overlap repel each other, and every row moves with its class.

Dimension key: L labelled rows, D features, C classes that occur.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from calrun.text.legal import at_least

LEAST_SPREAD = 1e-3  # of a feature in the reference rows; smaller ones are divided by this


class Descended(NamedTuple):
    """What a descent ends with.

    Args:
        features_LD: the moved features, in double precision.
        steps: accepted steps; 0 where no two classes overlap.
        ratios: the change of each step that was computed, over that of the first.
    """

    features_LD: Tensor
    steps: int
    ratios: list[float]


@dataclass(frozen=True)
class PED:
    """Moves features of labelled rows as potential energy descends, in double precision.

    The defaults are those of the authors' command line.

    Args:
        time_step: of the motion; 0.1.
        exit_ratio: a step whose change is at most this share of the first one's is not taken, and ends it; 0.5.
        num_sigmas: radius of a ball in standard deviations of its class; 0.6, or 0.3 as the other value they try.
        stiffness: force for each unit of overlap; 1.
        max_steps: steps at most; 6.
    """

    time_step: float = 0.1
    exit_ratio: float = 0.5
    num_sigmas: float = 0.6
    stiffness: float = 1.0
    max_steps: int = 6

    def __post_init__(self) -> None:
        at_least(0, "ped", time_step=self.time_step, exit_ratio=self.exit_ratio, num_sigmas=self.num_sigmas)
        at_least(0, "ped", stiffness=self.stiffness)
        at_least(1, "ped", max_steps=self.max_steps)

    def __call__(self, features_LD: Tensor, targets_L: np.ndarray, scale: "Scale") -> Descended:
        """Returns the moved features.

        Motion is rigid for each class: only C means are moved, and the rows once at the end.

        Args:
            features_LD: of the labelled rows.
            targets_L: their labels; a class that has none takes no part.
            scale: mean and spread of the reference rows.
        """
        known_L = torch.from_numpy(np.unique(targets_L, return_inverse=True)[1])
        rows_LD = features_LD.double().cpu()
        means_CD, radius_C = balls((rows_LD - scale.mean_D) / scale.spread_D, known_L)
        moved_CD, ratios, first = means_CD, list[float](), 0.0
        while len(ratios) < self.max_steps:
            shift_CD = self.shift(moved_CD, radius_C)
            change = float(shift_CD.abs().sum())
            first = first or change
            ratios.append(change / first if first else 0.0)
            if ratios[-1] <= self.exit_ratio:
                break
            moved_CD = moved_CD + shift_CD
        steps = sum(ratio > self.exit_ratio for ratio in ratios)
        return Descended(rows_LD + ((moved_CD - means_CD) * scale.spread_D)[known_L], steps, ratios)

    def shift(self, means_CD: Tensor, radius_C: Tensor) -> Tensor:
        """Returns how far each class moves in one step (C, D); classes with one mean have no direction, and stay."""
        distance_CC = torch.cdist(means_CD, means_CD, compute_mode="donot_use_mm_for_euclid_dist")
        overlap_CC = (self.num_sigmas * (radius_C[:, None] + radius_C) - distance_CC).clamp(min=0)
        length_CC = (self.time_step**2 * self.stiffness * overlap_CC / 2).minimum(overlap_CC)
        weight_CC = torch.where(distance_CC > 0, length_CC / distance_CC, 0.0)
        return weight_CC.sum(dim=1, keepdim=True) * means_CD - weight_CC @ means_CD


class Scale(NamedTuple):
    """Mean and spread of each feature (D,), in double precision."""

    mean_D: Tensor
    spread_D: Tensor


def scale_of(chunks: Iterable[Tensor]) -> Scale:
    """Returns the mean and the standard deviation of each feature over reference rows, (B, D) of them at a time.

    The sums of squares are those around the mean of each chunk (Chan et al. 1983), so that no digits cancel.
    """
    number, mean_D, squares_D = 0, torch.zeros(()).double(), torch.zeros(()).double()
    for chunk in chunks:
        rows_BD = chunk.double().cpu()
        own_D, total = rows_BD.mean(dim=0), number + len(rows_BD)
        apart_D = own_D - mean_D
        squares_D = squares_D + (rows_BD - own_D).square().sum(dim=0)
        squares_D = squares_D + apart_D.square() * (number * len(rows_BD) / total)
        mean_D, number = mean_D + apart_D * (len(rows_BD) / total), total
    return Scale(mean_D, (squares_D / number).sqrt().clamp(min=LEAST_SPREAD))


def balls(rows_LD: Tensor, known_L: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the mean (C, D) and the radius (C,) of each class: the root of its summed variances."""
    counts_C = torch.bincount(known_L).double()
    shape = (len(counts_C), rows_LD.shape[1])
    means_CD = torch.zeros(shape, dtype=torch.float64).index_add_(0, known_L, rows_LD) / counts_C[:, None]
    squares_L = (rows_LD - means_CD[known_L]).square().sum(dim=1)
    variance_C = torch.zeros(len(counts_C), dtype=torch.float64).index_add_(0, known_L, squares_L) / counts_C
    return means_CD, variance_C.sqrt()
