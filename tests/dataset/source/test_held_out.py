"""Rows outside the pool: copies of an item are on one side, and without copies the rows are those of any run before."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from calrun.dataset.base import Dataset
from calrun.dataset.source.held_out import hold_out, with_copies
from calrun.dataset.source.resident import Resident
from calrun.dataset.source.transform import Transform
from calrun.rng import numpy_rng
from calrun.row_transform.redundancy import Redundancy


def rows_of(num_rows: int, ids: list[str] | None = None) -> Resident:
    inputs = torch.rand(num_rows, 1, 8, 8)
    return Resident(inputs, np.arange(num_rows) % 3, Transform([0.0], [1.0]), ids)


def data_of(train: Any) -> Dataset:
    return Dataset(train, {}, 3, ["a", "b", "c"], (1, 8, 8))


@pytest.mark.parametrize("copies", ["exact", "shifted"])
@pytest.mark.parametrize("val_fraction", [0.05, 0.3])
def test_no_copy_of_a_validation_row_is_in_the_pool(copies: Any, val_fraction: float) -> None:
    data = data_of(Redundancy(5, 60, copies, 0)(rows_of(300), 3))
    held, held_out = hold_out(data, val_fraction, 1.0)
    assert held.val is not None
    pool = np.setdiff1d(np.arange(300), held_out)
    of_val = {held.val.item_id(row) for row in range(len(held.val))}
    assert not of_val & {data.train.item_id(row) for row in pool.tolist()}
    assert 0 <= len(held.val) - round(val_fraction * 300) < 5  # the last item brings all of its copies
    assert len(pool) == 300 - len(held.val)


def test_without_copies_the_rows_are_the_first_of_the_order() -> None:
    held, held_out = hold_out(data_of(rows_of(50)), 0.2, 0.5)
    order = numpy_rng(0, 0, "held-out rows").permutation(50)
    assert held.val is not None
    assert [int(held.val.item_id(row)) for row in range(10)] == sorted(order[:10].tolist())
    assert held_out.tolist() == sorted([*order[:10].tolist(), *order[30:].tolist()])


def test_copies_follow_their_first_row_by_hand() -> None:
    train = rows_of(6, ["a", "b", "a", "c", "b", "a"])
    order_N, num_first = with_copies(train, np.array([4, 3, 5, 0, 1, 2]), 1)
    assert order_N.tolist() == [4, 1, 3, 5, 0, 2]  # both b, c, all a
    assert num_first == 2
    assert with_copies(train, np.array([4, 3, 5, 0, 1, 2]), 2)[1] == 2
    assert with_copies(train, np.array([4, 3, 5, 0, 1, 2]), 4)[1] == 6


def test_a_redundant_run_validates_on_items_that_it_never_trains_on(play: Callable[..., Any]) -> None:
    words = ("row_transform=redundancy", "row_transform.factor=10", "row_transform.unique=20", "val_fraction=0.2")
    answer = play(*words, "budget.rounds=1", "stop=early_stopping")
    assert answer.code == 0, answer.err
