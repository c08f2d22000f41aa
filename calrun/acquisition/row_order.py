"""Candidates in the order of their rows, for what goes through them one after the other.

Dimension key: N candidates.
"""

import numpy as np
import torch

from calrun.acquisition.base import Candidates

PER_ROW = ("logits", "features", "mc_log_probs", "oracle")


def in_row_order(candidates: Candidates) -> Candidates:
    """Returns the candidates by ascending row, so that neither a draw nor a tie depends on the order they came in."""
    if (np.diff(candidates.rows) > 0).all():
        return candidates
    order_N = np.argsort(candidates.rows)
    columns = {
        name: torch.as_tensor(column)[torch.from_numpy(order_N)] if name in PER_ROW else column
        for name, column in candidates.columns.items()
    }
    return Candidates(candidates.rows[order_N], columns)
