"""The class of every row, for transforms that choose rows by class."""

import numpy as np

from calrun.dataset.base import UNKNOWN, Source, with_class

SHOWN = 5  # rows that an error names


def class_of_rows(train: Source, option: str) -> np.ndarray:
    """Returns the class of each row (N,).

    Args:
        train: the training set.
        option: the name of the row transform that asks.

    Raises:
        ValueError: if labels are no classes, or some are unknown or of unknown classes.
    """
    targets = train.targets
    if targets.ndim != 1:
        raise ValueError(
            f"row_transform={option} wants one class a row, but labels have the shape {targets.shape}; leave it out"
        )
    outside = int((~with_class(targets)).sum())
    if outside:
        if option == "open_set":
            raise ValueError(
                f"{outside:,} rows are of unknown classes already; name all unknown classes in one open_set"
            )
        raise ValueError(
            f"row_transform={option} wants the class of every row, but {outside:,} rows are of unknown classes; put "
            "open_set last in row_transform.transforms"
        )
    unknown = np.flatnonzero(targets == UNKNOWN)
    if len(unknown):
        raise ValueError(
            f"row_transform={option} wants the class of every row, but {len(unknown):,} rows have none (first: "
            f"{unknown[:SHOWN].tolist()}); leave them out of the training set"
        )
    return targets
