"""Rows of different lengths: padding by hand, blocks, joining, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from calrun.dataset.base import StepRows
from calrun.dataset.source.ragged import ENTRIES_PER_BLOCK, Ragged
from calrun.dataset.source.subset import Subset

ROWS = [[5, 6, 7], [8], [1, 2], [9, 9, 9, 9]]
SMALL_KINDS = (np.uint8, np.uint16, np.int32)


def ragged(rows: list[list[int]] = ROWS, dtype: type = np.uint8, pad_to: int | None = None) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    targets = np.arange(len(rows)) % 2
    return Ragged(np.array([entry for row in rows for entry in row], dtype), offsets, targets, None, pad_to)


@pytest.mark.parametrize("dtype", SMALL_KINDS)
def test_a_batch_is_padded_with_zeros_to_its_own_longest_row(dtype: type) -> None:
    found = list(ragged(dtype=dtype).batches(np.array([2, 1, 0]), 2))
    assert [rows.tolist() for rows, _ in found] == [[2, 1], [0]]
    assert [x.tolist() for _, x in found] == [[[1, 2], [8, 0]], [[5, 6, 7]]]
    assert found[0][1].dtype == torch.int64


def test_pad_to_gives_every_batch_one_length() -> None:
    assert [x.shape[1] for _, x in ragged(pad_to=6).batches(np.arange(4), 1)] == [6] * 4
    (block,) = ragged(pad_to=6).blocks([StepRows(np.array([1]), np.array([2]))], seed=0)
    ((current, replay),) = block
    assert (current.x.shape, replay.x.shape) == ((1, 6), (1, 6))


def test_steps_of_a_block_hold_their_own_rows_each_padded_by_itself() -> None:
    steps = [StepRows(np.array([0, 1]), np.array([3])), StepRows(np.array([1, 2]), np.array([], dtype=np.int64))]
    (block,) = ragged().blocks(steps, seed=0)
    (first, replay), (second, none) = block.to(torch.device("cpu"))
    assert first.x.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert (replay.rows.tolist(), replay.x.tolist()) == ([3], [[9, 9, 9, 9]])
    assert (second.rows.tolist(), second.x.tolist()) == ([1, 2], [[8, 0], [1, 2]])
    assert none is None


def test_replayed_rows_are_joined_with_the_current_ones_at_the_longer_length() -> None:
    source = ragged()
    (block,) = source.blocks([StepRows(np.array([1, 2]), np.array([3]))], seed=0)
    ((current, replay),) = block
    assert source.joined(current.x, replay.x).tolist() == [[8, 0, 0, 0], [1, 2, 0, 0], [9, 9, 9, 9]]
    assert source.joined(replay.x, current.x).shape == (3, 4)


def test_large_steps_travel_alone_and_small_ones_together() -> None:
    large = ragged([[1] * (ENTRIES_PER_BLOCK // 2)] * 4)
    alone = [StepRows(np.array([0, 1]), np.array([], dtype=np.int64))] * 3
    assert len(list(large.blocks(alone, seed=0))) == 3
    assert [len(block.shapes) // 2 for block in ragged().blocks(alone * 11, seed=0)] == [32, 1]


def test_a_part_of_the_rows_is_numbered_from_zero() -> None:
    part = Subset(ragged(), np.array([3, 0]))
    (block,) = part.blocks([StepRows(np.array([1]), np.array([0]))], seed=0)
    ((current, replay),) = block
    assert (current.rows.tolist(), current.x.tolist()) == ([1], [[5, 6, 7]])
    assert (replay.rows.tolist(), replay.x.tolist()) == ([0], [[9, 9, 9, 9]])


def test_mapped_and_loaded_rows_are_the_same(tmp_path: Path) -> None:
    source = ragged()
    np.save(tmp_path / "entries.npy", source.entries_E)
    mapped = Ragged(np.load(tmp_path / "entries.npy", mmap_mode="r"), source.offsets, source.targets)
    assert mapped.checksum(1) == source.checksum(1)
    assert torch.equal(next(mapped.batches(np.arange(4), 4))[1], next(source.batches(np.arange(4), 4))[1])


def test_the_checksum_tells_other_entries_and_other_borders() -> None:
    others = [[[5, 6, 7], [8], [1, 2], [9, 9, 9, 8]], [[5, 6], [7, 8], [1, 2], [9, 9, 9, 9]]]
    assert len({ragged(rows).checksum(0) for rows in (ROWS, *others)}) == 3


def test_rows_longer_than_pad_to_and_wide_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"pad_to is 3, but the longest row has 4 entries; raise it"):
        ragged(pad_to=3)
    with pytest.raises(ValueError, match="uint8, uint16 or int32, got int64"):
        ragged(dtype=np.int64)
