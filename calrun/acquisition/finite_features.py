"""Refuses features that are not finite, block by block."""

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.factors import MAX_BLOCK, refuse_not_finite


def refuse_broken_features(features_ND: Tensor, rows: np.ndarray, what: str = "features") -> None:
    """Raises a ValueError naming the first rows with a feature that is not finite."""
    largest = [
        torch.maximum(block_BD.amax(dim=1), -block_BD.amin(dim=1)) for block_BD in torch.split(features_ND, MAX_BLOCK)
    ]
    refuse_not_finite(torch.cat(largest), rows, what)
