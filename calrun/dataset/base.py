"""What a data set is: training pictures by row, test sets by name, and two ways to turn rows into batches.

Dimension key: N rows of one split, B batch, K steps of a block, M current rows of a step, R replayed rows of a step.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class StepRows:
    """The rows of one optimizer step: the current ones and, for replay, those drawn from the history."""

    current: np.ndarray
    replay: np.ndarray


@dataclass(frozen=True)
class Shot:
    """Rows of a step on the training device.

    Args:
        rows: int64 (B,).
        x: (B, ...).
        y: labels that were changed together with x, (B, ...); `None` where each row's own label holds.
    """

    rows: Tensor
    x: Tensor
    y: Tensor | None = None


class Block(Protocol):
    """Several steps that travel to the device together; iterating gives (current, replay) of each step."""

    def to(self, device: torch.device, non_blocking: bool = False) -> Self: ...

    def __iter__(self) -> Iterator[tuple[Shot, Shot | None]]: ...


class Source(ABC):
    """One split. Its targets belong to the oracle: nobody but the pool and the evaluation reads them."""

    targets: np.ndarray  # int64 (N, ...); -1 where nobody knows the label

    @abstractmethod
    def __len__(self) -> int: ...

    def item_id(self, row: int) -> str:
        """Returns a name of the item that is stable between runs and machines (a file name, or the row)."""
        return str(row)

    @abstractmethod
    def checksum(self, start: int) -> int:
        """Returns the CRC-32 of the stored inputs, or of their names where they are read later, continuing `start`."""

    def to(self, device: torch.device) -> None:  # noqa: B027 - streamed sources have nothing to move
        """Moves resident tensors to the device, once."""

    @abstractmethod
    def blocks(self, steps: list[StepRows], seed: int) -> Iterator[Block]:
        """Yields the training batches of an epoch, augmented; `seed` alone decides the augmentation."""

    @abstractmethod
    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Yields (rows, x) in order, under the evaluation transform."""

    def joined(self, first: Tensor, second: Tensor) -> Tensor:
        """Returns two batches of x as one, the first before the second; a source of ragged rows pads here."""
        return torch.cat([first, second])


@dataclass(frozen=True)
class Dataset:
    """A classification data set.

    Args:
        train: the pool.
        tests: the test sets by name; accuracy without a name is that of the first.
        num_classes: C.
        class_names: C names.
        input_shape: shape of one x, without the batch dimension.
        val: a validation split; `None` if the data set has none.
    """

    train: Source
    tests: dict[str, Source]
    num_classes: int
    class_names: list[str]
    input_shape: tuple[int, ...]
    val: Source | None = None
