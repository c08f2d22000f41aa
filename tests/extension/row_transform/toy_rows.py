"""A training set with few rows of the higher classes, and one in which every n-th row stands twice."""

import numpy as np

from calrun.dataset.base import Source
from calrun.dataset.source.subset import Subset
from calrun.row_transform.base import RowTransform


class LongTail(RowTransform):
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, train: Source, num_classes: int) -> Source:
        kept = []
        for c in range(num_classes):
            rows = np.flatnonzero(train.targets == c)
            kept.append(rows[: max(2, round(len(rows) * self.factor ** (c / (num_classes - 1))))])
        return Subset(train, np.sort(np.concatenate(kept)))


class Twice(RowTransform):
    def __init__(self, every: int) -> None:
        self.every = every

    def __call__(self, train: Source, num_classes: int) -> Source:
        return Subset(train, np.r_[np.arange(len(train)), np.arange(0, len(train), self.every)])
