"""Sequences of integers padded to the longest of their batch, and sparse rows that are made dense a batch at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self
from zlib import crc32

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from calrun.dataset.base import Dataset, Shot, Source, StepRows
from calrun.model.base import Classifier

WORDS, CLASSES = 30, 3


@dataclass(frozen=True)
class Step:
    """One step, on whichever device."""

    shots: tuple[Shot, Shot | None]

    def to(self, device: torch.device, non_blocking: bool = False) -> Self:
        first, second = self.shots
        return type(self)((_moved(first, device), None if second is None else _moved(second, device)))

    def __iter__(self) -> Iterator[tuple[Shot, Shot | None]]:
        yield self.shots


def _moved(shot: Shot, device: torch.device) -> Shot:
    return Shot(shot.rows.to(device), shot.x.to(device))


class OneByOne(Source):
    """Rows that are put together a batch at a time."""

    def __init__(self, targets: np.ndarray) -> None:
        self.targets = targets

    def __len__(self) -> int:
        return len(self.targets)

    def x(self, rows: np.ndarray) -> Tensor:
        raise NotImplementedError

    def blocks(self, steps: list[StepRows], seed: int) -> Iterator[Step]:
        for step in steps:
            replay = self._shot(step.replay) if len(step.replay) else None
            yield Step((self._shot(step.current), replay))

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        for start in range(0, len(rows), batch_size):
            yield rows[start : start + batch_size], self.x(rows[start : start + batch_size])

    def _shot(self, rows: np.ndarray) -> Shot:
        return Shot(torch.from_numpy(rows), self.x(rows))


class Sequences(OneByOne):
    def __init__(self, sequences: list[np.ndarray], targets: np.ndarray) -> None:
        super().__init__(targets)
        self.sequences = sequences

    def checksum(self, start: int) -> int:
        return crc32(np.concatenate(self.sequences).tobytes(), start)

    def x(self, rows: np.ndarray) -> Tensor:
        return nn.utils.rnn.pad_sequence([torch.from_numpy(self.sequences[row]) for row in rows], batch_first=True)

    def joined(self, first: Tensor, second: Tensor) -> Tensor:
        return nn.utils.rnn.pad_sequence([*first, *second], batch_first=True)


class Sparse(OneByOne):
    def __init__(self, table: csr_array, targets: np.ndarray) -> None:
        super().__init__(targets)
        self.table = table

    def checksum(self, start: int) -> int:
        return crc32(self.table.data.tobytes(), start)

    def x(self, rows: np.ndarray) -> Tensor:
        return torch.from_numpy(self.table[rows].toarray()).float()


def _sequences(rng: np.random.Generator, count: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Sequences of 2 to 12 words, most of them of the third of all words that belongs to their class."""
    targets = np.arange(count) % CLASSES
    found = []
    for c in targets:
        own, length = 1 + c * (WORDS // CLASSES), int(rng.integers(2, 13))
        words = np.where(rng.random(length) < 0.7, rng.integers(own, own + WORDS // CLASSES, length), 0)
        found.append(np.where(words > 0, words, rng.integers(1, WORDS + 1, length)))
    return found, targets


def load(sparse: bool) -> Dataset:
    rng, sources = np.random.default_rng(0), []
    for count in (120, 60):
        sequences, targets = _sequences(rng, count)
        if sparse:
            table = np.stack([np.bincount(each, minlength=WORDS + 1) for each in sequences])
            sources.append(Sparse(csr_array(table), targets))
        else:
            sources.append(Sequences(sequences, targets))
    shape = (WORDS + 1,) if sparse else (12,)
    return Dataset(sources[0], {"test": sources[1]}, CLASSES, [str(c) for c in range(CLASSES)], shape)


class Bag(nn.Module):
    """The mean of the embeddings of a sequence's words; 0 is no word."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS + 1, width, padding_idx=0)

    def forward(self, x: Tensor) -> Tensor:
        return self.embedding(x).sum(1) / (x > 0).sum(1, keepdim=True)


def bag(num_classes: int, width: int) -> Classifier:
    return Classifier(Bag(width), width, num_classes)
