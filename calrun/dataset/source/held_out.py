"""Rows of a training set that are no part of the pool: a validation split, and what a shrunk experiment leaves out.

Dimension key: N rows of the training set.
"""

from dataclasses import replace

import numpy as np

from calrun.dataset.base import Dataset, Source, with_class
from calrun.dataset.source.subset import Subset
from calrun.rng import numpy_rng


def hold_out(data: Dataset, val_fraction: float, scale: float) -> tuple[Dataset, np.ndarray]:
    """Takes a validation split out of the pool, and leaves `scale` of the rest in it.

    The rows are the same for every seed, so that runs stay comparable. Copies of an item, which bear its id, go into
    the split together, or none of them does. Rows of unknown classes that would be in it are in neither.

    Raises:
        ValueError: if the fraction is less than a row with a class, or the data set has a validation split already.
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
    if num_val:
        order, num_val = with_copies(data.train, order, num_val)
    num_pool = round(scale * (len(order) - num_val))
    val_rows, held_out = np.sort(order[:num_val]), np.sort(np.r_[order[:num_val], order[num_val + num_pool :]])
    if num_val:
        val_rows = val_rows[with_class(data.train.targets)[val_rows]]
        if not len(val_rows):
            raise ValueError(f"the rows of val_fraction {val_fraction} are all of unknown classes; raise it")
        data = replace(data, val=Subset(data.train, val_rows))
    return data, held_out


def with_copies(train: Source, order_N: np.ndarray, num_first: int) -> tuple[np.ndarray, int]:
    """Returns an order in which the copies of an item follow its first row, and how many rows are the first ones then.

    Args:
        train: the rows; those of one item id are copies of each other.
        order_N: an order of them.
        num_first: how many of them, from the beginning, are wanted with all of their copies; at least 1.
    """
    numbers = dict[str, int]()
    item_N = np.array([numbers.setdefault(train.item_id(row), len(numbers)) for row in range(len(train))])
    if len(numbers) == len(item_N):
        return order_N, num_first
    first_N = np.full(len(item_N), len(item_N))  # where each item has its first row
    np.minimum.at(first_N, item_N[order_N], np.arange(len(item_N)))
    order_N = order_N[np.argsort(first_N[item_N[order_N]], kind="stable")]
    last = item_N[order_N[num_first - 1]]
    return order_N, int(np.flatnonzero(item_N[order_N] == last)[-1]) + 1
