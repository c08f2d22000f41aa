"""Refuses features that are not finite, block by block."""

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.factors import MAX_BLOCK, refuse_not_finite


def refuse_broken_features(features_ND: Tensor, rows: np.ndarray, what: str = "features") -> None:
    """Raises a ValueError naming the first rows with a feature that is not finite."""
    sums = [block_BD.sum(dim=1, dtype=torch.float64) for block_BD in torch.split(features_ND, MAX_BLOCK)]
    refuse_not_finite(torch.cat(sums), rows, what)
