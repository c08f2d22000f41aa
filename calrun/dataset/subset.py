"""Some rows of a source, as a split of their own: a validation set held out of the pool."""

from collections.abc import Iterator
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from calrun.dataset.base import Block, Source, StepRows


class Subset(Source):
    """Rows of a source, numbered from 0.

    Args:
        source: where the items are.
        rows: int64, the items of this split in their order.
    """

    def __init__(self, source: Source, rows: np.ndarray) -> None:
        self.source, self.rows = source, rows
        self.targets = source.targets[rows]

    def __len__(self) -> int:
        return len(self.rows)

    def item_id(self, row: int) -> str:
        return self.source.item_id(int(self.rows[row]))

    def checksum(self, start: int) -> int:
        return crc32(self.rows.tobytes(), self.source.checksum(start))

    def to(self, device: torch.device) -> None:
        self.source.to(device)

    def blocks(self, steps: list[StepRows], seed: int) -> Iterator[Block]:
        return self.source.blocks([StepRows(self.rows[s.current], self.rows[s.replay]) for s in steps], seed)

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        start = 0
        for chunk, x in self.source.batches(self.rows[rows], batch_size):
            yield rows[start : start + len(chunk)], x
            start += len(chunk)

    def joined(self, first: Tensor, second: Tensor) -> Tensor:
        return self.source.joined(first, second)
