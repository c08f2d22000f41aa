"""Two sources as one: the rows of the first, and after them those of the second."""

from collections.abc import Iterator
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from calrun.dataset.base import Block, Source, StepRows


class Joined(Source):
    """Rows that are looked at together, and never trained on.

    Args:
        first: its rows keep their numbers.
        second: its rows are numbered on from there.
    """

    def __init__(self, first: Source, second: Source) -> None:
        self.first, self.second = first, second
        self.targets = np.concatenate((first.targets, second.targets))

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def item_id(self, row: int) -> str:
        start = len(self.first)
        return self.first.item_id(row) if row < start else self.second.item_id(row - start)

    def checksum(self, start: int) -> int:
        return crc32(b"joined", self.second.checksum(self.first.checksum(start)))

    def measured(self) -> dict[str, Any]:
        return self.first.measured()

    def to(self, device: torch.device) -> None:
        self.first.to(device)
        self.second.to(device)

    def blocks(self, steps: list[StepRows], seed: int) -> Iterator[Block]:
        raise NotImplementedError("rows that are joined are looked at, not trained on")

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        start = len(self.first)
        for together in np.split(rows, np.flatnonzero(np.diff(rows >= start)) + 1):  # of one source each, in order
            of_first = len(together) > 0 and together[0] < start
            source, offset = (self.first, 0) if of_first else (self.second, start)
            for part, x in source.batches(together - offset, batch_size):
                yield part + offset, x

    def joined(self, first: Tensor, second: Tensor) -> Tensor:
        return self.first.joined(first, second)
