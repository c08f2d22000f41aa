"""Rows of a training set that are no part of the pool: a validation split, and what a shrunk experiment leaves out."""

from dataclasses import replace

import numpy as np

from calrun.dataset.base import Dataset
from calrun.dataset.source.subset import Subset
from calrun.rng import numpy_rng


def hold_out(data: Dataset, val_fraction: float, scale: float) -> tuple[Dataset, np.ndarray]:
    """Takes a validation split out of the pool, and leaves `scale` of the rest in it.

    The rows are the same for every seed, so that runs stay comparable.

    Raises:
        ValueError: if the fraction is less than a row, or the data set has a validation split already.
    """
    if val_fraction > 0 and data.val is not None:
        raise ValueError(
            f"val_fraction is {val_fraction}, but this data set has a validation split of its own; set it to 0"
        )
    order = numpy_rng(0, 0, "held-out rows").permutation(len(data.train))
    num_val = round(val_fraction * len(order))
    if val_fraction > 0 and not num_val:
        raise ValueError(
            f"val_fraction {val_fraction} of {len(order)} rows is no row; set it to {1 / len(order):.2g} or more, "
            "or to 0"
        )
    num_pool = round(scale * (len(order) - num_val))
    val_rows, held_out = np.sort(order[:num_val]), np.sort(np.r_[order[:num_val], order[num_val + num_pool :]])
    if num_val:
        data = replace(data, val=Subset(data.train, val_rows))
    return data, held_out
