"""What may stand between a data set and its pool: a choice of rows, duplicates, other labels."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from calrun.dataset.base import Dataset, Source
from calrun.text.legal import is_a


class RowTransform(ABC):
    """Makes another training set out of one, the same for every seed, so that runs stay comparable."""

    def apply(self, data: Dataset) -> Dataset:
        """Returns the data set with that training set; a transform of all its splits does its work here."""
        what = f"what row_transform={type(self).__name__} returns"
        return replace(data, train=is_a(what, self(data.train, data.num_classes), Source))

    @abstractmethod
    def __call__(self, train: Source, num_classes: int) -> Source:
        """Returns the training set that the pool is made of, such as a `calrun.dataset.source.subset.Subset`."""


class Unchanged(RowTransform):
    """Returns all rows, as they are."""

    def __call__(self, train: Source, num_classes: int) -> Source:
        return train


class Chain(RowTransform):
    """Applies several transforms, one after the other.

    Args:
        transforms: in the order in which they are applied.
    """

    def __init__(self, transforms: Sequence[RowTransform]) -> None:
        if not transforms:
            raise ValueError("row_transform.transforms wants one or more, got none; name some, or row_transform=none")
        self.transforms = tuple(transforms)

    def __call__(self, train: Source, num_classes: int) -> Source:
        for transform in self.transforms:
            train = transform(train, num_classes)
        return train

    def apply(self, data: Dataset) -> Dataset:
        for transform in self.transforms:
            data = transform.apply(data)
        return data
