"""Sparse rows become dense a batch at a time, the replayed ones beside the current ones."""

import numpy as np
import torch
from scipy.sparse import csr_matrix

from calrun.dataset.base import StepRows
from calrun.dataset.source.sparse import Sparse


def source() -> tuple[Sparse, np.ndarray]:
    rng = np.random.default_rng(0)
    table = rng.integers(0, 3, (20, 7)).astype(np.float32) * (rng.random((20, 7)) < 0.3)
    return Sparse(csr_matrix(table), np.arange(20) % 3), table


def test_a_step_holds_its_rows_in_their_order() -> None:
    rows, table = source()
    steps = [StepRows(np.array([3, 1]), np.array([19, 0, 3])), StepRows(np.array([5]), np.empty(0, np.int64))]
    ((current, replay),), ((alone, none),) = (list(block) for block in rows.blocks(steps, seed=0))
    assert replay is not None
    for shot, wanted in ((current, [3, 1]), (replay, [19, 0, 3]), (alone, [5])):
        assert shot.rows.tolist() == wanted
        torch.testing.assert_close(shot.x, torch.from_numpy(table[wanted]))
    assert none is None


def test_batches_are_dense_and_in_order() -> None:
    rows, table = source()
    wanted = np.array([4, 2, 9, 0, 11])
    found = list(rows.batches(wanted, 2))
    assert [len(part) for part, _ in found] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([part for part, _ in found]), wanted)
    torch.testing.assert_close(torch.cat([x for _, x in found]), torch.from_numpy(table[wanted]))


def test_another_value_or_another_place_is_another_checksum() -> None:
    rows, table = source()
    moved = np.roll(table, 1, axis=1)
    changed = table.copy()
    changed[table > 0] += 1
    sums = {Sparse(csr_matrix(each), rows.targets).checksum(0) for each in (table, moved, changed)}
    assert len(sums) == 3
