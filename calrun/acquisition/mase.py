"""Minimum distance to a decision boundary (MASE). Emam et al. 2021, "Active Learning at the ImageNet Scale", Alg. 1.

The boundary is that of a linear head in the space of the features that enter it; a head that normalises its input gives
distances between normalised features.

Dimension key: N candidates, B rows of one chunk, C classes, D features.
"""

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.finite_features import mark_minus_infinity_
from calrun.acquisition.kernel.memory import chunk_rows, limit_bytes, shortage
from calrun.acquisition.kernel.top_k import smallest
from calrun.look.sizes import FLOAT, Sizes


class Mase(Acquisition):
    """Takes the rows whose features are nearest to any decision boundary.

    Args:
        memory_gib: limit for temporary tensors in GiB; `None` takes a quarter of the free memory.
    """

    needs = frozenset({"logits", "head_weight"})

    def __init__(self, memory_gib: float | None) -> None:
        self.memory_gib = memory_gib

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        logits_NC = candidates.logits_NC
        single = torch.promote_types(logits_NC.dtype, torch.float32)  # half-precision stores are read chunk by chunk
        gap_CC = boundary_gap(candidates.head_weight_CD).to(logits_NC.device, single)
        chunk = chunk_rows(row_bytes(logits_NC.shape[1], single.itemsize), self.memory_gib, logits_NC.device)
        distance_N = torch.empty(len(candidates), dtype=single, device=logits_NC.device)
        for part, out in zip(torch.split(logits_NC, chunk), torch.split(distance_N, chunk), strict=True):
            out.copy_(leave_distance(part.to(single), gap_CC))
        return smallest(distance_N, candidates.rows, budget)

    def cost(self, sizes: Sizes) -> Cost:
        """Returns N C, and C^2 D for the gaps between classes."""
        return leave_cost(sizes, self.memory_gib)


def leave_cost(sizes: Sizes, memory_gib: float | None) -> Cost:
    """Returns the cost of every candidate's distance to the boundary of its predicted class."""
    numbers, scores = float(sizes.candidates * sizes.classes), 16.0 * sizes.candidates
    chunk = min(3 * FLOAT * numbers, limit_bytes(memory_gib, sizes.device))
    head = sizes.classes * (sizes.classes + sizes.features)
    gap = Cost(3.0 * sizes.classes**2 * sizes.features, bytes_peak=8.0 * head)
    short = shortage(row_bytes(sizes.classes), memory_gib, sizes.device)
    return Cost(4 * numbers, 16 * FLOAT * numbers + 3 * scores, chunk + scores, calls=10, refusal=short) + gap


def row_bytes(num_classes: int, item: int = FLOAT) -> int:
    """Returns the bytes that a row takes while its distance is computed."""
    return 4 * item * num_classes


def boundary_gap(weight_CD: Tensor) -> Tensor:
    """Returns |w_i - w_j| (C, C) in double precision by direct differences (the expanded square would cancel).

    The diagonal is infinite.

    Raises:
        ValueError: if a weight is not finite.
    """
    if not weight_CD.isfinite().all():
        raise ValueError("head_weight is not finite in some entries; look for a diverged model")
    wide_CD = weight_CD.double()
    return torch.cdist(wide_CD, wide_CD, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)


def leave_distance(logits_BC: Tensor, gap_CC: Tensor) -> Tensor:
    """Returns DDB(x) = min_{j != top} (z_top - z_j) / |w_top - w_j|: how far x is from leaving its predicted class.

    Classes with equal weights have no boundary (inf) unless their logits tie (0). Rows that are not finite give NaN.
    """
    top_B1, class_B1 = logits_BC.max(dim=1, keepdim=True)
    gap_BC = gap_CC[class_B1.squeeze(1)]
    distance_BC = (top_B1 - logits_BC).div_(gap_BC).scatter_(1, class_B1, torch.inf)
    if (gap_CC == 0).any():
        distance_BC.masked_fill_((gap_BC == 0) & (top_B1 == logits_BC), 0)
    return mark_minus_infinity_(distance_BC.amin(dim=1), logits_BC)
