"""Rows that are mostly zeros: sparse in memory, dense a batch at a time.

Dimension key: N rows, F features of a row, B rows of a batch.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from calrun.dataset.base import Shot, Source, StepRows
from calrun.dataset.source.checksum import checksum_of
from calrun.dataset.source.resident import moved


class Sparse(Source):
    """One table in memory.

    Args:
        table: (N, F) float32, compressed by rows.
        targets: int64 (N,).
        item_ids: N stable names; `None` gives the row numbers.
        known: what `measured` returns, such as a digest of the features' names.
    """

    def __init__(
        self,
        table: csr_matrix,
        targets: np.ndarray,
        item_ids: Sequence[str] | None = None,
        known: Mapping[str, Any] | None = None,
    ) -> None:
        self.table, self.targets, self.item_ids, self.known = table, targets, item_ids, known or {}

    def __len__(self) -> int:
        return int(self.table.shape[0])

    def item_id(self, row: int) -> str:
        return str(row) if self.item_ids is None else self.item_ids[row]

    def checksum(self, start: int) -> int:
        return checksum_of((self.table.indptr, self.table.indices, self.table.data), start)

    def measured(self) -> dict[str, Any]:
        return dict(self.known)

    def blocks(self, steps: list[StepRows], seed: int) -> Iterator["DenseStep"]:
        for step in steps:
            rows = np.concatenate((step.current, step.replay))
            yield DenseStep(torch.from_numpy(rows), self.dense(rows), len(step.current))

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            yield part, self.dense(part)

    def dense(self, rows: np.ndarray) -> Tensor:
        """Returns some rows with their zeros (B, F)."""
        return torch.from_numpy(self.table[rows].toarray())


@dataclass(frozen=True)
class DenseStep:
    """One step: its rows and their values travel together.

    Args:
        rows_B: the current rows first, then the replayed ones.
        x_BF: their values.
        num_current: how many are current.
    """

    rows_B: Tensor
    x_BF: Tensor
    num_current: int

    def to(self, device: torch.device, non_blocking: bool = False) -> Self:
        device = torch.device(device)
        return type(self)(moved(self.rows_B, device), moved(self.x_BF, device), self.num_current)

    def __iter__(self) -> Iterator[tuple[Shot, Shot | None]]:
        first, more = slice(None, self.num_current), slice(self.num_current, None)
        replay = Shot(self.rows_B[more], self.x_BF[more]) if self.num_current < len(self.rows_B) else None
        yield Shot(self.rows_B[first], self.x_BF[first]), replay
