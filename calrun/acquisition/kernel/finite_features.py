"""Refuses features and logits that are not finite, chunk by chunk."""

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.kernel.factors import MAX_BLOCK, refuse_not_finite


def refuse_broken_features(features_ND: Tensor, rows: np.ndarray, what: str = "features") -> None:
    """Raises a ValueError naming the first rows with a feature that is not finite."""
    largest = [
        torch.maximum(block_BD.amax(dim=1), -block_BD.amin(dim=1)) for block_BD in torch.split(features_ND, MAX_BLOCK)
    ]
    refuse_not_finite(torch.cat(largest), rows, what)


def mark_minus_infinity_(scores_B: Tensor, logits_B: Tensor) -> Tensor:
    """Sets the scores of rows with a logit of minus infinity to NaN, in place: many formulas would not notice it.

    `logits_B` is (B, ...).
    """
    if logits_B.numel() and logits_B.amin() == -torch.inf:
        scores_B.masked_fill_(logits_B.flatten(1).isneginf().any(dim=1), torch.nan)
    return scores_B
