"""What a network learns: its loss, when a prediction is right, and what an evaluation reports.

Dimension key: B batch, N rows of a split, C classes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

import numpy as np
from torch import Tensor

Metric = Callable[[Tensor, np.ndarray], Iterable[tuple[str, float]]]  # of kept_N and targets; may give several numbers


class Task(ABC):
    """One kind of label. Logits are (B, C, ...) and labels (B, ...): only this class knows what a label is.

    `more` holds by name the metrics of test sets that `record.metrics` may ask for.
    """

    more: Mapping[str, Metric] = MappingProxyType({})

    @abstractmethod
    def loss(self, logits: Tensor, y: Tensor, weights_C: Tensor | None = None) -> Tensor:
        """Returns the mean loss of a batch, with classes weighted if `weights_C` is given."""

    @abstractmethod
    def losses(self, logits: Tensor, y: Tensor) -> Tensor:
        """Returns the loss of each row (B,)."""

    @abstractmethod
    def correct(self, logits: Tensor, y: Tensor) -> Tensor:
        """Returns how right each row's prediction is (B,): booleans, or shares from 0 to 1."""

    @abstractmethod
    def reduced(self, logits: Tensor) -> Tensor:
        """Returns one row of logits for each row (B, C), for acquisitions and stored targets."""

    @abstractmethod
    def kept(self, logits: Tensor, y: Tensor) -> Tensor:
        """Returns what the metrics need to know of each row's logits, (B, ...).

        Where logits are large, they are compared with the labels here, and only the outcome is kept.
        """

    def classes(self, logits: Tensor) -> Tensor | None:
        """Returns the class of each part of a row (B, ...), such as of its pixels; `None` where a row has one class."""
        return None

    @abstractmethod
    def metrics(self, kept_N: Tensor, targets: np.ndarray, num_classes: int) -> dict[str, float]:
        """Returns the metrics of a whole split; `accuracy` is one of them and stands first."""

    @abstractmethod
    def class_counts(self, targets: np.ndarray, num_classes: int) -> np.ndarray:
        """Returns how often each class occurs in the labels of some rows, int64 (C,)."""

    def misfits(self, label: tuple[int, ...], logits: tuple[int, ...]) -> Iterator[str]:
        """Yields a sentence for each thing that a data set or a network does not have as this task wants it.

        Args:
            label: shape of one row's label.
            logits: shape of one row's logits, of which the first number is that of the classes.
        """
        return iter(())

    def names(self, targets: np.ndarray, class_names: list[str]) -> list[str]:
        """Returns what picks.csv says about each row's label; an empty text if it is not a single class."""
        return [""] * len(targets)
