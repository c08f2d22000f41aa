"""Monte-Carlo dropout before the head. Gal et al. 2017, "Deep Bayesian Active Learning with Image Data", Sec. 4.

TiDAL's code (Kye et al. 2023), whose family the DISAL supplement compares with, gives ResNet-18, which has no dropout,
one layer of it before the classifier, in scoring alone: then the features are computed once and only the head T times.

Dimension key: N candidates, B rows of one chunk, C classes, D features, T passes.
"""

from math import ceil, log

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.entropy import log_entropy
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.factors import full_precision
from calrun.acquisition.kernel.finite_features import refuse_broken_features
from calrun.acquisition.kernel.memory import chunk_rows, shortage
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.acquisition.kernel.top_k import largest
from calrun.look.sizes import FLOAT, Sizes
from calrun.text.legal import at_least

MOST_ROWS = 4096  # of a chunk, so that it stays near the caches


class HeadDropout(Acquisition):
    """Takes the rows with the largest entropy of the mean prediction over dropout masks on the features.

    Differs from TiDAL's code: all rows share the T masks, so that a mask is one head, and neither chunks nor the order
    of rows decide anything; the measure there is BALD, while the supplement names none.

    Args:
        p: share of the features that a mask drops; TiDAL's code takes 0.5.
        num_passes: T; TiDAL's code takes 10.
        memory_gib: limit for temporary tensors in GiB; `None` takes a quarter of the free memory.
    """

    needs = frozenset({"features", "head_weight", "head_bias"})

    def __init__(self, p: float, num_passes: int, memory_gib: float | None) -> None:
        at_least(1, "acquisition", num_passes=num_passes)
        if not 0 <= p < 1:
            raise ValueError(f"acquisition.p wants a share from 0 to below 1, got {p}")
        self.p, self.num_passes, self.memory_gib = p, num_passes, memory_gib

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        features_ND = candidates.features_ND
        single = torch.promote_types(features_ND.dtype, torch.float32)
        weight_CD, bias_C = (each.to(features_ND.device, single) for each in head_of(candidates))
        kept_TD = rng.random((self.num_passes, features_ND.shape[1])) >= self.p
        mask_TD = torch.from_numpy(kept_TD).to(weight_CD) / (1 - self.p)
        if min(budget, len(candidates)) <= 0:
            return candidates.rows[:0].astype(np.int64)
        refuse_broken_features(features_ND, candidates.rows)
        chunk = min(MOST_ROWS, chunk_rows(row_bytes(*weight_CD.shape), self.memory_gib, features_ND.device))
        with full_precision():
            parts = [
                log_entropy(log_mean_prediction(features_BD.to(single), mask_TD, weight_CD, bias_C))
                for features_BD in torch.split(features_ND, chunk)
            ]
        return largest(torch.cat(parts), candidates.rows, budget)

    def cost(self, sizes: Sizes) -> Cost:
        """Returns T N D C: the head's passes."""
        rows, width, classes = sizes.candidates, sizes.features, sizes.classes
        passes = self.num_passes * rows
        short = shortage(row_bytes(classes, width), self.memory_gib, sizes.device)
        flops, traffic = passes * (2.0 * width * classes + width), FLOAT * passes * (3.0 * width + 6 * classes)
        held = min(rows, MOST_ROWS) * float(row_bytes(classes, width)) + 12.0 * rows
        calls = 15.0 * self.num_passes * ceil(rows / MOST_ROWS)
        return Cost(flops, traffic, held, 3.0 * passes * classes, calls, short)


def head_of(candidates: Candidates) -> tuple[Tensor, Tensor]:
    """Returns the head's weight and bias.

    Raises:
        ValueError: if one of their numbers is not finite.
    """
    head = candidates.head_weight_CD, candidates.head_bias_C
    if not all(part.isfinite().all() for part in head):
        raise ValueError("the head's weights are not finite; look for a diverged model")
    return head


def row_bytes(num_classes: int, num_features: int) -> int:
    """Returns the bytes that a row takes while it passes the head."""
    return FLOAT * (3 * num_features + 8 * num_classes)


def log_mean_prediction(features_BD: Tensor, mask_TD: Tensor, weight_CD: Tensor, bias_C: Tensor) -> Tensor:
    """Returns log (1 / T) sum_t softmax(W (h m_t) + b) for each row (B, C)."""
    mean_BC = torch.full((len(features_BD), len(weight_CD)), -torch.inf).to(features_BD)
    for mask_D in mask_TD:
        logits_BC = F.linear(features_BD * mask_D, weight_CD, bias_C)
        mean_BC = torch.logaddexp(mean_BC, logits_BC.log_softmax(dim=1))
    return mean_BC - log(len(mask_TD))
