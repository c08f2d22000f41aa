"""A long-tailed training set. Cao et al. 2019, "Learning Imbalanced Datasets with LDAM", as Emam et al. 2021 take it.

Dimension key: N rows of the training set, C classes.
"""

from typing import Literal

import numpy as np

from calrun.dataset.base import Source
from calrun.dataset.source.subset import Subset
from calrun.rng import numpy_rng
from calrun.row_transform.base import RowTransform
from calrun.row_transform.classes import class_of_rows
from calrun.text.legal import at_least, one_of

SHAPES = ("exponential", "step")
SHOWN = 5  # classes that an error names
DIGITS = 9  # a count that is whole but for rounding is that whole number


class Imbalance(RowTransform):
    """Keeps fewer rows of the later classes, in the order of their numbers; which ones, `seed` decides.

    The kept rows stay in their order and keep their item ids. Test sets stay as they are.

    Args:
        ratio: IR, rows of the most frequent class over those of the rarest; at least 1.
        shape: `exponential`, n_c = int(n_max IR^(-c / (C - 1))); `step`, n_max rows of the first half of the classes
            (the larger half, if C is odd) and int(n_max / IR) of the others.
        largest: n_max, rows of class 0; `None` is as many as the rarest class of the whole training set has.
        seed: of the choice of rows, the same for all seeds of runs.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(self, ratio: float, shape: Literal["exponential", "step"], largest: int | None, seed: int) -> None:
        one_of("row_transform.shape", shape, SHAPES)
        at_least(1, "row_transform", ratio=ratio, largest=largest)
        at_least(0, "row_transform", seed=seed)
        self.ratio, self.shape, self.largest, self.seed = ratio, shape, largest, seed

    def __call__(self, train: Source, num_classes: int) -> Source:
        """Returns the rows that are kept.

        Raises:
            ValueError: if a row has no class or several, or a class has fewer rows than it is to have.
        """
        targets_N = class_of_rows(train, "imbalance")
        available_C = np.bincount(targets_N, minlength=num_classes)
        largest = int(available_C.min()) if self.largest is None else self.largest
        wanted_C = class_sizes(largest, self.ratio, num_classes, self.shape)
        self.refuse_impossible(wanted_C, available_C)
        shuffled_N = numpy_rng(self.seed, 0, "imbalance").permutation(len(targets_N))
        of_class = [shuffled_N[targets_N[shuffled_N] == c][:count] for c, count in enumerate(wanted_C.tolist())]
        return Subset(train, np.sort(np.concatenate(of_class)))

    def refuse_impossible(self, wanted_C: np.ndarray, available_C: np.ndarray) -> None:
        """Raises a ValueError if a class would have no row, or has fewer than it is to have."""
        empty = np.flatnonzero(wanted_C < 1)
        if len(empty):
            raise ValueError(
                f"row_transform=imbalance with ratio {self.ratio:g} leaves {len(empty)} of {len(wanted_C)} classes "
                f"without a row (first: {empty[:SHOWN].tolist()}), for class 0 has {wanted_C[0]:,}; take a smaller "
                "row_transform.ratio"
            )
        short = np.flatnonzero(wanted_C > available_C)
        if len(short):
            raise ValueError(
                f"row_transform=imbalance wants {wanted_C[short[0]]:,} rows of class {short[0]}, but the training set "
                f"has {available_C[short[0]]:,} ({len(short)} classes have too few); take a smaller "
                "row_transform.largest, or null"
            )


def class_sizes(largest: int, ratio: float, num_classes: int, shape: str) -> np.ndarray:
    """Returns how many rows each class has (C,).

    Args:
        largest: n_max, rows of class 0.
        ratio: IR.
        num_classes: C.
        shape: `exponential` or `step`.
    """
    number_C = np.arange(num_classes)
    later_C = number_C >= (num_classes + 1) // 2
    exponent_C = number_C / max(1, num_classes - 1) if shape == "exponential" else later_C.astype(float)
    size_C: np.ndarray = np.round(largest * float(ratio) ** -exponent_C, DIGITS).astype(np.int64)
    return size_C
