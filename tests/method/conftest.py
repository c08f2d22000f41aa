"""Batches and rounds small enough to work out by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch

from calrun.model.base import Output
from calrun.part.batch import Batch
from calrun.pool import Pool
from calrun.round import Round


@pytest.fixture
def later_round(tmp_path: Path) -> Round:
    """Round 3 of a pool of 12 rows: 6 in the history, 2 new."""
    pool = Pool.simulated(np.arange(12) % 3, num_classes=3)
    for number, rows in enumerate(([0, 1, 2, 3], [4, 5], [6, 7]), start=1):
        pool.label(np.array(rows), number)
    return Round(3, 5, 2, 0, pool, tmp_path)


@pytest.fixture
def first_round(tmp_path: Path) -> Round:
    """Round 1 of a pool of 12 rows, 4 of them labelled."""
    pool = Pool.simulated(np.arange(12) % 3, num_classes=3)
    pool.label(np.array([0, 1, 2, 3]), 1)
    return Round(1, 5, 2, 0, pool, tmp_path)


def batch(logits: list[list[float]], classes: list[int], stored: list[list[float]] | None = None) -> Batch:
    """A batch whose logits are given."""
    rows = torch.arange(len(classes))
    stored_BC = None if stored is None else torch.tensor(stored)
    output = Output(torch.tensor(logits), torch.empty(len(classes), 0), {})
    return Batch(rows, torch.empty(0), torch.tensor(classes), output, stored_BC)


@pytest.fixture
def make_batch() -> object:
    """Returns `batch`."""
    return batch
