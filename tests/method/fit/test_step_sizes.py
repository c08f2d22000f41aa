"""Steps of an epoch: what becomes of the rows that fill none, by hand and for any number of rows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig, open_dict

from calrun.folder.identity import run_id
from calrun.method.fit.step_sizes import step_sizes
from calrun.method.visit import AllLabelled, Replay

Configure = Callable[..., DictConfig]


@pytest.mark.parametrize(
    ("num_rows", "batch_size", "last_batch", "wanted"),
    [
        (900, 64, "keep", [64] * 14 + [4]),
        (900, 64, "even", [60] * 15),
        (900, 64, "drop", [64] * 14),
        (130, 64, "even", [44, 43, 43]),
        (65, 64, "keep", [65]),  # one row joins the step before it
        (129, 64, "keep", [64, 65]),
        (65, 64, "even", [33, 32]),
        (65, 64, "drop", [64]),
        (128, 64, "keep", [64, 64]),
        (128, 64, "even", [64, 64]),
        (3, 2, "even", [3]),  # rather than 2 and 1
        (5, 2, "even", [3, 2]),
        (3, 1, "even", [1, 1, 1]),
        (3, 1, "keep", [1, 1, 1]),
        (10, 64, "drop", [10]),  # all that there is
        (0, 64, "even", [0]),
    ],
)
def test_sizes_by_hand(num_rows: int, batch_size: int, last_batch: Any, wanted: list[int]) -> None:
    assert step_sizes(num_rows, batch_size, last_batch) == wanted


@given(st.integers(1, 300), st.integers(1, 70), st.sampled_from(["keep", "even", "drop"]))
def test_no_row_stands_alone_and_none_is_lost_but_what_is_dropped(num: int, size: int, last_batch: Any) -> None:
    sizes = step_sizes(num, size, last_batch)
    assert sum(sizes) == (num // size * size or num if last_batch == "drop" else num)
    assert max(sizes) <= size + 1
    assert len(sizes) == 1 or size == 1 or min(sizes) > 1
    if last_batch == "even":
        assert max(sizes) - min(sizes) <= 1


def test_steps_hold_the_rows_of_one_order_and_each_has_its_replay(later_round: Any) -> None:
    order = later_round.rng("batch order", 0).permutation(np.arange(8))
    for last_batch, sizes in (("keep", [3, 3, 2]), ("even", [3, 3, 2]), ("drop", [3, 3])):
        visit = AllLabelled()
        visit.last_batch = last_batch
        steps = visit.epoch(later_round, 0, 3)
        assert [len(step.current) for step in steps] == sizes
        np.testing.assert_array_equal(np.concatenate([step.current for step in steps]), order[: sum(sizes)])
    replay = Replay(4)
    replay.last_batch = "drop"
    assert [len(step.replay) for step in replay.epoch(later_round, 0, 2)] == [4]


def test_a_run_that_keeps_is_the_one_from_before_there_was_the_key(configure: Configure) -> None:
    keep, even = configure("trainer.last_batch=keep"), configure("trainer.last_batch=even")
    before = configure()
    with open_dict(before.trainer):
        del before.trainer["last_batch"]
    assert run_id(before) == run_id(keep) != run_id(even)
