"""Length buckets: who shares a batch by hand, numbers within subsets, and runs that go on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from calrun.dataset.base import StepRows
from calrun.dataset.source.buckets import by_length
from calrun.dataset.source.ragged import Ragged
from calrun.dataset.source.subset import Subset

NONE = np.array([], dtype=np.int64)


def ragged(lengths: list[int], buckets: int | None) -> Ragged:
    """Row r holds r + 1 again and again."""
    entries = np.repeat(np.arange(1, len(lengths) + 1, dtype=np.uint8), lengths)
    return Ragged(entries, np.concatenate([[0], np.cumsum(lengths)]), np.arange(len(lengths)), None, None, buckets)


def steps_of(rows: np.ndarray, sizes: list[int], replay: np.ndarray = NONE) -> list[StepRows]:
    return [StepRows(part, replay) for part in np.split(rows, np.cumsum(sizes)[:-1])]


def taken(source: Ragged | Subset, steps: list[StepRows], seed: int = 0) -> list[tuple[list[int], list[int], int]]:
    """The rows of each step, the first entry of each row, and the width of the batch."""
    shots = [current for block in source.blocks(source.arranged(steps, seed), seed) for current, _ in block]
    return [(shot.rows.tolist(), shot.x[:, 0].tolist(), shot.x.shape[1]) for shot in shots]


def test_rows_of_like_length_share_a_batch_and_steps_keep_their_sizes() -> None:
    source = ragged([9, 1, 8, 2, 7, 3, 5], 3)
    found = taken(source, steps_of(np.arange(7), [2, 2, 3]))
    assert [len(rows) for rows, _, _ in found] == [2, 2, 3]
    shared = {frozenset(rows) for rows, _, _ in found}
    whole = {frozenset({1, 3}), frozenset({1, 3, 5})}  # the shortest, in a step of two or of three
    assert shared & whole
    assert sorted(row for rows, _, _ in found for row in rows) == [*range(7)]
    assert all(first == [row + 1 for row in rows] for rows, first, _ in found)


def test_steps_change_rows_with_those_of_their_own_bucket_alone() -> None:
    steps = steps_of(np.arange(12), [2] * 6)
    offsets = np.concatenate([[0], np.cumsum(np.arange(12)[::-1] + 1)])
    order = by_length(steps, offsets, 3, seed=0)
    assert sorted(order[:6]) == [*range(6)]
    assert sorted(order[6:]) == [*range(6, 12)]


def test_the_seed_draws_the_order_of_the_steps() -> None:
    rng = np.random.default_rng(0)
    source, steps = ragged(rng.integers(1, 30, 60).tolist(), 50), steps_of(rng.permutation(60), [6] * 10)
    assert taken(source, steps, 1) == taken(source, steps, 1) != taken(source, steps, 2)
    widths = [width for _, _, width in taken(source, steps, 1)]
    plain = [width for _, _, width in taken(ragged(np.diff(source.offsets).tolist(), None), steps)]
    assert sum(widths) < 0.75 * sum(plain)
    assert widths != sorted(widths)


def test_rows_of_a_subset_of_a_subset_keep_their_numbers_also_those_that_stand_twice() -> None:
    rng = np.random.default_rng(2)
    source = ragged(rng.integers(1, 9, 30).tolist(), 3)
    inner = Subset(source, np.r_[rng.permutation(30), np.arange(10)])
    outer = Subset(inner, rng.permutation(40))
    for rows, first, _ in taken(outer, steps_of(rng.permutation(40), [6] * 6 + [4], np.array([3]))):
        assert first == [int(inner.rows[outer.rows[row]]) + 1 for row in rows]


def test_without_buckets_steps_are_as_they_are_drawn() -> None:
    steps = steps_of(np.array([2, 0, 1]), [2, 1])
    assert [rows for rows, _, _ in taken(Subset(ragged([3, 1, 2], None), np.arange(3)), steps)] == [[2, 0], [1]]


def test_numbers_of_buckets_that_can_have_no_effect_are_refused() -> None:
    with pytest.raises(ValueError, match="length_buckets wants 2 batches or more to sort together, or null, got 1"):
        ragged([1, 2], 1)
    with pytest.raises(ValueError, match=r"length_buckets=5 saves no padding where dataset\.pad_to=9"):
        Ragged(np.ones(2, np.uint8), np.array([0, 1, 2]), np.zeros(2), None, 9, 5)


def test_a_run_that_goes_on_takes_the_same_steps(
    calrun: Callable[..., Any], result_of: Callable[[Path], Any], tmp_path: Path, tiny_bert: Path, empty_cache: Path
) -> None:
    words = ["bad", "very good", "cat. cat. cat."]
    texts = [f"{'a ' * (n % 9)}{words[n % 3]} {'b ' * (n // 9)}" for n in range(60)]
    pd.DataFrame({"text": texts, "kind": np.arange(60) % 3}).to_csv(tmp_path / "x.csv", index=False)
    run = (
        "run", "dataset=text_table", f"dataset.path={tmp_path / 'x.csv'}", "dataset.text=text", "dataset.label=kind",
        "dataset.length_buckets=4", f"model.path={tiny_bert}", "dataset.max_length=40", "trainer=cpu", "method=cal_er",
        "trainer.max_epochs=2", "trainer.cal_epochs=2", "trainer.batch_size=4", "budget=counts", "budget.start=16",
        "budget.step=16", "acquisition=margin",
    )  # fmt: skip
    for outputs, rounds in (("at_once", [2]), ("in_turn", [1, 2])):
        for number in rounds:
            answer = calrun(*run, f"budget.rounds={number}", f"paths.outputs={tmp_path / outputs}")
            assert answer.code == 0, answer.err
    folders = [next((tmp_path / name).rglob("rounds.jsonl")).parent for name in ("at_once", "in_turn")]
    (first, picks), (second, again) = map(result_of, folders)
    assert picks == again
    assert [line["test"] for line in first] == [line["test"] for line in second]
