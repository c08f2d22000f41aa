"""Some rows of a source, as a split of their own: a validation set held out of the pool, a smaller training set."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from calrun.dataset.base import Block, Shot, Source, StepRows
from calrun.dataset.source.resident import moved


class Subset(Source):
    """Rows of a source, numbered from 0; a row of the source may occur several times.

    Args:
        source: where the items are.
        rows: int64, the items of this split in their order.

    Raises:
        ValueError: if `rows` are not numbers of rows that the source has.
    """

    is_part = True

    def __init__(self, source: Source, rows: np.ndarray) -> None:
        refuse_strangers(rows, len(source))
        self.source, self.rows = source, rows
        self.targets, self.brings_labels = source.targets[rows], source.brings_labels

    def __len__(self) -> int:
        return len(self.rows)

    def item_id(self, row: int) -> str:
        return self.source.item_id(int(self.rows[row]))

    def checksum(self, start: int) -> int:
        return crc32(self.rows.tobytes(), self.source.checksum(start))

    def measured(self) -> dict[str, Any]:
        return self.source.measured()

    @property
    def dtype(self) -> torch.dtype | None:
        return self.source.dtype

    def to(self, device: torch.device) -> None:
        self.source.to(device)

    def blocks(self, steps: list[StepRows], seed: int) -> Iterator["SubsetBlock"]:
        ours = iter(steps)
        for block in self.source.blocks(self.theirs(steps), seed):
            yield SubsetBlock(block, ours)

    def theirs(self, steps: list[StepRows]) -> list[StepRows]:
        """Returns steps with the numbers that their rows have in the source."""
        return [StepRows(self.rows[step.current], self.rows[step.replay]) for step in steps]

    def arrangement(self, steps: list[StepRows], seed: int) -> np.ndarray | None:
        return self.source.arrangement(self.theirs(steps), seed)

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        start = 0
        for chunk, x in self.source.batches(self.rows[rows], batch_size):
            yield rows[start : start + len(chunk)], x
            start += len(chunk)

    def passing_order(self, rows: np.ndarray) -> np.ndarray | None:
        return self.source.passing_order(self.rows[rows])

    def divided(
        self, others: Sequence[Source], rows: Mapping[str, np.ndarray], item_ids: Sequence[str]
    ) -> dict[str, Source]:
        parts = [part for part in (self, *others) if isinstance(part, Subset) and part.source is self.source]
        if len(parts) <= len(others):
            raise ValueError("splits that lie in several files cannot be changed; leave row_transform=split out")
        whole = np.concatenate([part.rows for part in parts])
        return {name: Subset(self.source, whole[own]) for name, own in rows.items()}

    def joined(self, first: Tensor, second: Tensor) -> Tensor:
        return self.source.joined(first, second)


def refuse_strangers(rows: object, size: int) -> None:
    """Raises a ValueError if `rows` are not numbers from 0 to size - 1."""
    wanted = f"a Subset of {size:,} rows wants their numbers, 0 to {size - 1:,}, as one numpy array of whole numbers"
    if not isinstance(rows, np.ndarray) or rows.dtype.kind not in "iu" or rows.ndim != 1:
        came = f"{rows.dtype} of shape {rows.shape}" if isinstance(rows, np.ndarray) else type(rows).__name__
        raise ValueError(f"{wanted}, got {came}; take numpy.flatnonzero of a mask")
    outside = rows[(rows < 0) | (rows >= size)]
    if len(outside):
        raise ValueError(f"{wanted}, got {len(outside):,} others (first: {outside[:5].tolist()}); leave them out")


@dataclass(frozen=True)
class SubsetBlock:
    """A block of the source whose rows get their numbers in the subset.

    Args:
        block: the block of the source.
        steps: the subset's steps that are still to come, shared by the blocks of an epoch.
    """

    block: Block
    steps: Iterator[StepRows]

    def to(self, device: torch.device, non_blocking: bool = False) -> Self:
        return type(self)(self.block.to(device, non_blocking), self.steps)

    def __iter__(self) -> Iterator[tuple[Shot, Shot | None]]:
        for (current, replay), step in zip(self.block, self.steps, strict=False):
            yield _numbered(current, step.current), None if replay is None else _numbered(replay, step.replay)


def _numbered(shot: Shot, rows: np.ndarray) -> Shot:
    return Shot(moved(torch.from_numpy(rows), shot.x.device), shot.x, shot.y)
