"""One score for each row, from columns of logits, in double precision and a few rows at a time.

Dimension key: N rows, B rows of one chunk, C classes.
"""

from collections.abc import Callable
from math import ceil

import torch
from torch import Tensor

from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.finite_features import mark_minus_infinity_

CHUNK_ROWS = 4096
DOUBLE = 8  # bytes
TEMPORARY = 4  # tensors as large as a chunk of all columns


def scored(score: Callable[..., Tensor], *columns: Tensor) -> Tensor:
    """Returns `score` of each row (N,); one of a row with a number that is not finite is not finite either.

    Args:
        score: of chunks (B, ...) of the columns in double precision; returns (B,).
        columns: (N, ...), on one device.
    """
    parts = []
    for chunks in zip(*(torch.split(column, CHUNK_ROWS) for column in columns), strict=True):
        part_B = score(*(chunk.double() if chunk.is_floating_point() else chunk for chunk in chunks))
        for chunk in chunks:
            mark_minus_infinity_(part_B, chunk)
        parts.append(part_B)
    return torch.cat(parts)


def scored_cost(rows: int, width: float) -> Cost:
    """Returns the cost of `scored` where the columns hold this many numbers for each row."""
    numbers = rows * width
    peak = DOUBLE * (TEMPORARY * min(rows, CHUNK_ROWS) * width + 4 * rows)
    return Cost(8 * numbers, (TEMPORARY + 1) * DOUBLE * numbers, peak, 2 * numbers, 20 * ceil(rows / CHUNK_ROWS))
