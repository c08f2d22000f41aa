"""Rows of a source whose classes have other numbers, or none.

Dimension key: N rows, C classes of the source.
"""

import numpy as np

from calrun.dataset.base import Source
from calrun.dataset.source.subset import Subset


class Renumbered(Subset):
    """Rows of a source, numbered from 0, with the classes that they are to have; everything else is the source's.

    Args:
        source: where the items are; a class for each row.
        rows: int64 (N,), the items of this split in their order.
        number_C: the new number of each class, NO_CLASS for a class that is to be none (C,).
    """

    def __init__(self, source: Source, rows: np.ndarray, number_C: np.ndarray) -> None:
        super().__init__(source, rows)
        self.targets = number_C[self.targets]
        self.is_part = source.is_part or not np.array_equal(rows, np.arange(len(source)))
