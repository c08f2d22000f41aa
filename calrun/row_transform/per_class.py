"""The same number of rows of each class. Beck et al. 2021, Sec. 4.5.

Dimension key: N rows of the training set, C classes.
"""

import numpy as np

from calrun.dataset.base import Source
from calrun.dataset.source.subset import Subset
from calrun.rng import numpy_rng
from calrun.row_transform.base import RowTransform
from calrun.row_transform.classes import class_of_rows
from calrun.text.legal import at_least


class PerClass(RowTransform):
    """Keeps `count` rows of each class, in their order; which ones, `seed` decides, more of them for a larger count.

    Args:
        count: rows of each class; the paper varies those that round 1 leaves to choose from: 1,000, 2,000, 3,000.
        seed: of the choice of rows, the same for all seeds of runs.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(self, count: int, seed: int) -> None:
        at_least(1, "row_transform", count=count)
        at_least(0, "row_transform", seed=seed)
        self.count, self.seed = count, seed

    def __call__(self, train: Source, num_classes: int) -> Source:
        """Returns the rows that are kept.

        Raises:
            ValueError: if a row has no class or several, or a class has fewer rows than it is to have.
        """
        targets_N = class_of_rows(train, "per_class")
        available_C = np.bincount(targets_N, minlength=num_classes)
        rarest = int(available_C.argmin())
        if available_C[rarest] < self.count:
            short = int((available_C < self.count).sum())
            raise ValueError(
                f"row_transform=per_class wants {self.count:,} rows of each class, but class {rarest} has "
                f"{available_C[rarest]:,} ({short} classes have too few); take a smaller row_transform.count"
            )
        shuffled_N = numpy_rng(self.seed, 0, "per class").permutation(len(targets_N))
        of_class = [shuffled_N[targets_N[shuffled_N] == c][: self.count] for c in range(num_classes)]
        return Subset(train, np.sort(np.concatenate(of_class)))
