"""What a data set is: training pictures by row, test sets by name, and two ways to turn rows into batches.

The module of an option has `load`, which returns a `Dataset`, and may have `rows(place, ...)`, which returns a `Source`
of other rows of its kind without labels, for a network that is trained (see calrun/network/rows.py).

Dimension key: N rows of one split, B batch, K steps of a block, M current rows of a step, R replayed rows of a step.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor

UNKNOWN = -1  # in place of a label
NO_CLASS = -2  # in place of a label: the row is of none of the data set's classes
UNKNOWN_CLASS = "unknown class"  # what such a label is called


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


@dataclass(frozen=True)
class Inputs:
    """What a trained network takes, as its run folder knows it.

    Args:
        shape: of one x.
        num_rows: N, of the training set.
        measured: what `Source.measured` returned of it.
        vocabulary: how many values a token can have; `None` where x holds fractions.
    """

    shape: tuple[int, ...]
    num_rows: int
    measured: Mapping[str, Any]
    vocabulary: int | None = None


class Source(ABC):
    """One split. Its targets belong to the oracle: nobody but the pool and the evaluation reads them."""

    targets: np.ndarray  # int64 (N, ...); UNKNOWN where nobody knows the label, NO_CLASS where a row has none
    is_part = False  # whether these are some rows of a larger source, so that a run writes down which
    brings_labels = False  # whether each `Shot` of a training block holds its labels, as where a mask is cropped with x

    @abstractmethod
    def __len__(self) -> int: ...

    def item_id(self, row: int) -> str:
        """Returns a name of the item that is stable between runs and machines (a file name, or the row)."""
        return str(row)

    @abstractmethod
    def checksum(self, start: int) -> int:
        """Returns the CRC-32 of the stored inputs, or of their names where they are read later, continuing `start`."""

    def measured(self) -> dict[str, Any]:
        """Returns what was measured on these rows and other rows cannot be read without, as plain values.

        What stands under the key of an argument that the data set's option left open takes its place there, such as
        transform.mean; the run folder keeps it.
        """
        return {}

    @property
    def dtype(self) -> torch.dtype | None:
        """In which floating-point numbers x is stored, where it is stored as such."""
        return None

    def to(self, device: torch.device) -> None:  # noqa: B027 - streamed sources have nothing to move
        """Moves resident tensors to the device, once."""

    @abstractmethod
    def blocks(self, steps: list[StepRows], seed: int) -> Iterator[Block]:
        """Yields the training batches of an epoch, augmented; `seed` alone decides the augmentation."""

    @abstractmethod
    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Yields (rows, x) in order, under the evaluation transform."""

    def passing_order(self, rows: np.ndarray) -> np.ndarray | None:
        """Returns the positions of `rows` in the order in which they are cheapest to pass; `None` is as they come."""
        return None

    def arrangement(self, steps: list[StepRows], seed: int) -> np.ndarray | None:
        """Returns the order in which an epoch's steps had better take their current rows: positions in all of them.

        `None` is as they come. Steps keep their sizes, and replayed rows their places.
        """
        return None

    def arranged(self, steps: list[StepRows], seed: int) -> list[StepRows]:
        """Returns steps whose current rows have changed places as `arrangement` says."""
        order_M = self.arrangement(steps, seed)
        if order_M is None:
            return steps
        rows_M = np.concatenate([step.current for step in steps])[order_M]
        cuts = np.cumsum([len(step.current) for step in steps])[:-1]
        return [StepRows(own, step.replay) for own, step in zip(np.split(rows_M, cuts), steps, strict=True)]

    def divided(
        self, others: Sequence["Source"], rows: Mapping[str, np.ndarray], item_ids: Sequence[str]
    ) -> dict[str, "Source"]:
        """Returns new splits of these rows and those of other splits, which are counted on in their order.

        What is measured on training rows is measured anew, on those of the new split "train".

        Args:
            others: the other splits, of this source's own kind.
            rows: of each new split, by its name.
            item_ids: of all rows.

        Raises:
            ValueError: if the splits of this kind of source cannot be changed.
        """
        raise ValueError(
            f"{type(self).__name__} has splits that cannot be changed, because it has no method `divided`; leave "
            "row_transform=split out"
        )

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
        input_shape: shape of one x, without the batch dimension; (T,) for rows of up to T tokens.
        val: a validation split; `None` if the data set has none.
        vocabulary: how many values an entry of x can have where x holds tokens, 0 among them, which is padding; `None`
            where x holds fractions.
        further: test sets that `record.further_tests` asks for, named GROUP/NAME; their rows are made or read when they
            are looked at.
        unknown_classes: names of the classes whose rows are in the pool without a class, see
            calrun/row_transform/open_set.py.
    """

    train: Source
    tests: dict[str, Source]
    num_classes: int
    class_names: list[str]
    input_shape: tuple[int, ...]
    val: Source | None = None
    vocabulary: int | None = None
    further: Mapping[str, Source] = field(default_factory=dict)
    unknown_classes: Sequence[str] = ()

    @property
    def is_of_pixels(self) -> bool:
        """Whether a row has a class for each of its pixels: labels (N, H, W)."""
        return self.train.targets.ndim > 2


def with_class(targets: np.ndarray) -> np.ndarray:
    """Returns which rows are of one of the data set's classes, or may be (N,); rows with several labels all are."""
    found: np.ndarray = targets != NO_CLASS if targets.ndim == 1 else np.ones(len(targets), dtype=bool)
    return found
