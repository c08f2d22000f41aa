"""What may stand between a data set and its pool: a choice of rows, duplicates, other labels."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from calrun.dataset.base import Source


class RowTransform(ABC):
    """Makes another training set out of one, the same for every seed, so that runs stay comparable."""

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
        self.transforms = tuple(transforms)

    def __call__(self, train: Source, num_classes: int) -> Source:
        for transform in self.transforms:
            train = transform(train, num_classes)
        return train
