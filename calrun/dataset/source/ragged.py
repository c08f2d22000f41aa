"""Rows of whole numbers of different lengths, such as the tokens of texts: padded to the longest row of their batch.

Dimension key: N rows, E entries of all rows, B rows of a batch, T entries of the longest row of a batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from calrun.dataset.base import Shot, Source, StepRows
from calrun.dataset.source.buckets import by_length, refuse_buckets
from calrun.dataset.source.checksum import checksum_of
from calrun.dataset.source.resident import moved

PADDING = 0
STEPS_PER_BLOCK = 32
ENTRIES_PER_BLOCK = 2**17  # a block is full beyond this: steps that take long by themselves travel alone
KEPT_AS = (np.uint8, np.uint16, np.int32)


class Ragged(Source):
    """One array with the entries of all rows, in memory or mapped from disk; 0 is padding and no entry.

    Args:
        entries_E: uint8, uint16 or int32, row after row, all above 0.
        offsets: int64 (N + 1,), where each row begins in `entries_E`, and where the last one ends.
        targets: int64 (N,).
        item_ids: N stable names; `None` gives the row numbers.
        pad_to: the length that every batch is padded to, at least that of the longest row; `None` is the longest row of
            each batch.
        length_buckets: steps of an epoch that sort their rows by length together; `None` leaves them as they are drawn.
    """

    def __init__(
        self,
        entries_E: np.ndarray,
        offsets: np.ndarray,
        targets: np.ndarray,
        item_ids: Sequence[str] | None = None,
        pad_to: int | None = None,
        length_buckets: int | None = None,
    ) -> None:
        if entries_E.dtype not in KEPT_AS:
            raise ValueError(f"rows of whole numbers are kept as uint8, uint16 or int32, got {entries_E.dtype}")
        refuse_buckets(length_buckets, pad_to)
        longest = int(np.diff(offsets).max(initial=0))
        if pad_to is not None and pad_to < longest:
            raise ValueError(f"dataset.pad_to is {pad_to}, but the longest row has {longest} entries; raise it")
        self.entries_E, self.offsets = np.asarray(entries_E), np.asarray(offsets)  # plain views of what is mapped
        self.targets, self.item_ids, self.pad_to = targets, item_ids, pad_to
        self.length_buckets = length_buckets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def item_id(self, row: int) -> str:
        return str(row) if self.item_ids is None else self.item_ids[row]

    def checksum(self, start: int) -> int:
        return checksum_of((self.offsets, self.entries_E), start)

    def blocks(self, steps: list[StepRows], seed: int) -> Iterator["RaggedBlock"]:
        gathered: list[tuple[StepRows, np.ndarray, np.ndarray]] = []
        for step in steps:
            gathered.append((step, self.padded(step.current), self.padded(step.replay)))
            size = sum(current.size + replay.size for _, current, replay in gathered)
            if size >= ENTRIES_PER_BLOCK or len(gathered) == STEPS_PER_BLOCK:
                yield block_of(gathered)
                gathered = []
        if gathered:
            yield block_of(gathered)

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            yield part, torch.from_numpy(movable(self.padded(part))).long()

    def passing_order(self, rows: np.ndarray) -> np.ndarray | None:
        """Returns the shortest first: a batch of rows of like length has little padding."""
        lengths = self.offsets[rows + 1] - self.offsets[rows]
        return None if self.pad_to else np.argsort(lengths, kind="stable")

    def arrangement(self, steps: list[StepRows], seed: int) -> np.ndarray | None:
        return None if self.length_buckets is None else by_length(steps, self.offsets, self.length_buckets, seed)

    def joined(self, first: Tensor, second: Tensor) -> Tensor:
        width = max(first.shape[1], second.shape[1])
        return torch.cat([F.pad(part, (0, width - part.shape[1]), value=PADDING) for part in (first, second)])

    def padded(self, rows: np.ndarray) -> np.ndarray:
        """Returns some rows of one length (B, T), gathered at once."""
        starts_B1 = self.offsets[rows][:, None]
        lengths_B1 = self.offsets[rows + 1][:, None] - starts_B1
        places_T = np.arange(self.pad_to or lengths_B1.max(initial=1))
        inside_BT = places_T < lengths_B1
        gathered_BT: np.ndarray = self.entries_E[np.where(inside_BT, starts_B1 + places_T, 0)]
        return np.where(inside_BT, gathered_BT, gathered_BT.dtype.type(PADDING))


def movable(entries: np.ndarray) -> np.ndarray:
    """Returns entries of a kind that torch can compute with on every device."""
    return entries.astype(np.int32) if entries.dtype == np.uint16 else entries


def block_of(gathered: list[tuple[StepRows, np.ndarray, np.ndarray]]) -> "RaggedBlock":
    """Returns steps as one block: two tensors travel, whatever the number of steps."""
    rows = [part for step, _, _ in gathered for part in (step.current, step.replay)]
    parts = [part for _, current, replay in gathered for part in (current, replay)]
    entries = movable(np.concatenate([part.reshape(-1) for part in parts]))
    shapes = tuple((len(part), part.shape[1]) for part in parts)
    return RaggedBlock(torch.from_numpy(np.concatenate(rows)), torch.from_numpy(entries), shapes)


@dataclass(frozen=True)
class RaggedBlock:
    """Several steps, each with its current rows and then its replayed ones.

    Args:
        rows: int64, those of all steps one after the other.
        entries: the padded batches of all steps, flat, as small numbers.
        shapes: (B, T) of each batch, so that the host need not ask the device; B is 0 where nothing is replayed.
    """

    rows: Tensor
    entries: Tensor
    shapes: tuple[tuple[int, int], ...]

    def to(self, device: torch.device, non_blocking: bool = False) -> Self:
        device = torch.device(device)
        return type(self)(moved(self.rows, device), moved(self.entries, device), self.shapes)

    def __iter__(self) -> Iterator[tuple[Shot, Shot | None]]:
        rows = torch.split(self.rows, [size for size, _ in self.shapes])
        x = torch.split(self.entries, [size * length for size, length in self.shapes])
        shots = [Shot(r, part.view(shape).long()) for r, part, shape in zip(rows, x, self.shapes, strict=True)]
        for current, replay in zip(shots[::2], shots[1::2], strict=True):
            yield current, replay if len(replay.rows) else None
