"""Candidates in the order of their rows, for code that goes through them one after the other.

Dimension key: N candidates.
"""

import numpy as np

from calrun.acquisition.base import Candidates


def in_row_order(candidates: Candidates) -> Candidates:
    """Returns the candidates by ascending row, so that neither a draw nor a tie depends on the order they came in."""
    if (np.diff(candidates.rows) > 0).all():
        return candidates
    return candidates.at(np.argsort(candidates.rows))
