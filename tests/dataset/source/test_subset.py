"""Some rows of a source as a split of their own."""

import numpy as np
import torch

from calrun.dataset.source.resident import Resident
from calrun.dataset.source.subset import Subset
from calrun.dataset.source.transform import Transform

ROWS = np.array([7, 2, 9])


def subset() -> Subset:
    """Three of ten rows; x is the row's number in the source, its class that modulo 3."""
    inputs = torch.arange(10.0).view(-1, 1)
    names = [f"item {row}" for row in range(10)]
    return Subset(Resident(inputs, np.arange(10) % 3, Transform([0.0], [1.0]), names), ROWS)


def test_rows_are_numbered_from_0_and_keep_their_inputs() -> None:
    batches = list(subset().batches(np.array([2, 0, 1]), 2))
    assert [chunk.tolist() for chunk, _ in batches] == [[2, 0], [1]]
    assert torch.cat([x for _, x in batches]).flatten().tolist() == [9, 7, 2]


def test_rows_keep_their_classes_and_names() -> None:
    assert subset().targets.tolist() == [1, 2, 0]
    assert [subset().item_id(row) for row in range(len(subset()))] == ["item 7", "item 2", "item 9"]


def test_the_checksum_tells_other_rows() -> None:
    assert subset().checksum(0) != Subset(subset().source, ROWS[::-1].copy()).checksum(0)
