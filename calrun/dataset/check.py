"""What stored inputs and labels must fulfil before a run starts.

Dimension key: N rows, C classes.
"""

import numpy as np
import torch
from torch import Tensor

ROWS_PER_PASS = 4096


def check_inputs(split: str, inputs: Tensor) -> Tensor:
    """Returns `inputs` if there are any and all are finite.

    Raises:
        ValueError: otherwise, with the first bad rows.
    """
    if not len(inputs):
        raise ValueError(f"split {split} has no rows")
    if not inputs.is_floating_point():
        return inputs
    bad = [~part.flatten(1).isfinite().all(1) for part in torch.split(inputs, ROWS_PER_PASS)]
    rows = torch.cat(bad).nonzero().flatten()
    if len(rows):
        raise ValueError(
            f"split {split} has NaN or infinite values in {len(rows)} of {len(inputs)} rows "
            f"(first: {rows[:5].tolist()}); replace them or drop these rows"
        )
    return inputs


def check_targets(split: str, labels: np.ndarray, num_inputs: int, num_classes: int) -> np.ndarray:
    """Returns `labels` as int64 (N,) if they are integers 0..C-1, one per input; train must show every class.

    Raises:
        ValueError: otherwise, with the first bad rows.
    """
    targets_N = label_vector(split, labels)
    if len(targets_N) != num_inputs:
        raise ValueError(
            f"split {split} has {num_inputs} inputs but {len(targets_N)} labels; there must be one label each"
        )
    outside = np.flatnonzero((targets_N < 0) | (targets_N >= num_classes))
    if len(outside):
        raise ValueError(
            f"split {split} has {len(outside)} labels outside 0..{num_classes - 1} (first: rows {outside[:5].tolist()} "
            f"with {targets_N[outside[:5]].tolist()}); the data set declares {num_classes} classes"
        )
    absent = np.setdiff1d(np.arange(num_classes), targets_N)
    if split == "train" and len(absent):
        raise ValueError(
            f"the data set declares {num_classes} classes, but {len(absent)} of them have no training row "
            f"(first: {absent[:5].tolist()}); number the classes 0..C-1 without gaps and let C be their count"
        )
    return targets_N


def label_vector(split: str, labels: np.ndarray) -> np.ndarray:
    """Returns integer labels (N,) or (N, 1) as int64 (N,)."""
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"split {split} has labels of type {labels.dtype}; labels must be integers")
    if labels.ndim != 1 and labels.shape[1:] != (1,):
        raise ValueError(
            f"split {split} has labels of shape {labels.shape}; one class number per row is wanted, shape (N,)"
        )
    return labels.reshape(-1).astype(np.int64)
