"""Long-tailed training sets: the counts of the papers, the choice of rows, and what a run writes down."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calrun.dataset.base import Source
from calrun.dataset.source.resident import Resident
from calrun.dataset.source.transform import Transform
from calrun.row_transform.imbalance import Imbalance, class_sizes

Typed = Callable[..., Any]
TAIL = ("row_transform=imbalance", "row_transform.ratio=10", "dataset.num_train=1200")


def rows_of(targets: Any) -> Resident:
    targets_N = np.asarray(targets)
    return Resident(torch.arange(float(len(targets_N)))[:, None], targets_N, Transform([0.0], [1.0]))


@pytest.fixture
def shuffled() -> Resident:
    """Four classes of 40 rows in no order."""
    return rows_of(np.random.default_rng(0).permutation(np.repeat(np.arange(4), 40)))


@pytest.mark.parametrize(
    ("largest", "ratio", "num_classes", "total"),
    [(500, 10, 100, 19_573), (5_000, 100, 10, 12_406), (5_000, 10, 10, 20_431)],
)
def test_totals_are_those_of_the_papers(largest: int, ratio: float, num_classes: int, total: int) -> None:
    sizes = class_sizes(largest, ratio, num_classes, "exponential")
    assert sizes.sum() == total
    assert (sizes[0], sizes[-1]) == (largest, largest // ratio)


def test_the_step_halves_the_classes_by_their_numbers() -> None:
    assert class_sizes(5_000, 100, 10, "step").tolist() == [5_000] * 5 + [50] * 5
    assert class_sizes(30, 7, 5, "step").tolist() == [30, 30, 30, 4, 4]


def test_the_exponential_formula_by_hand() -> None:
    assert class_sizes(40, 8, 4, "exponential").tolist() == [40, 20, 10, 5]
    assert class_sizes(40, 5, 2, "exponential").tolist() == [40, 8]


def test_the_rows_of_each_class_are_chosen_by_the_seed_and_keep_order_and_names(shuffled: Resident) -> None:
    kept = Imbalance(8, "exponential", None, seed=0)(shuffled, 4)
    assert np.bincount(kept.targets).tolist() == [40, 20, 10, 5]
    rows = [int(kept.item_id(row)) for row in range(len(kept))]
    assert rows == sorted(set(rows))
    np.testing.assert_array_equal(shuffled.targets[rows], kept.targets)
    again, other = (Imbalance(8, "exponential", None, seed)(shuffled, 4) for seed in (0, 1))
    assert again.checksum(0) == kept.checksum(0) != other.checksum(0)


def test_a_smaller_ratio_keeps_what_a_larger_one_keeps(shuffled: Resident) -> None:
    items = [ids(Imbalance(ratio, "step", 40, 0)(shuffled, 4)) for ratio in (2, 4)]
    assert items[1] < items[0]


def ids(source: Source) -> set[str]:
    return {source.item_id(row) for row in range(len(source))}


def test_ratio_1_keeps_as_many_of_every_class_as_the_rarest_has() -> None:
    kept = Imbalance(1, "exponential", None, 0)(rows_of([0] * 9 + [1] * 4 + [2] * 6), 3)
    assert np.bincount(kept.targets).tolist() == [4, 4, 4]


@pytest.mark.parametrize(
    ("largest", "ratio", "targets", "message"),
    [
        (
            None,
            100.0,
            [0, 0, 1, 1],
            r"ratio 100 leaves 1 of 2 classes without a row \(first: \[1\]\), for class 0 has 2",
        ),
        (9, 2.0, [0, 0, 1, 1], r"wants 9 rows of class 0, but the training set has 2 \(2 classes have too few\)"),
        (None, 2.0, [0, -1, 1, -1], r"2 rows have none \(first: \[1, 3\]\)"),
        (None, 2.0, [[0, 1], [1, 0]], r"wants one class a row, but labels have the shape \(2, 2\)"),
    ],
)
def test_what_is_impossible_is_said(largest: int | None, ratio: float, targets: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Imbalance(ratio, "exponential", largest, 0)(rows_of(targets), 2)


def test_a_run_writes_down_its_rows_and_another_can_begin_from_them(
    play: Typed, run_folder: Callable[[], Path], tmp_path: Path
) -> None:
    assert play(*TAIL, "budget.rounds=2").code == 0
    folder = run_folder()
    items = (folder / "train_items.txt").read_text().split()
    first = json.loads((folder / "rounds.jsonl").read_text().splitlines()[0])
    assert first["labelled_fraction"] == pytest.approx(20 / len(items))
    split = ("row_transform=split", f"row_transform.train_file={folder}/train_items.txt", "experiment_name=again")
    assert play(*split, "dataset.num_train=1200", "budget.rounds=2").code == 0
    (again,) = (tmp_path / "outputs/again").rglob("rounds.jsonl")
    assert json.loads(again.read_text().splitlines()[0])["class_counts"] == first["class_counts"]


@pytest.mark.parametrize("acquisition", ["balanced_random", "balancing", "base_balanced"])
def test_balanced_acquisitions_run_there(acquisition: str, play: Typed, run_folder: Callable[[], Path]) -> None:
    answer = play(*TAIL, f"acquisition={acquisition}", "budget.start=20", "budget.step=30", "budget.rounds=2")
    assert answer.code == 0, answer.err
    rounds = [json.loads(line) for line in (run_folder() / "rounds.jsonl").read_text().splitlines()]
    counts = np.array([this_round["class_counts"] for this_round in rounds])
    if acquisition == "balanced_random":
        assert set((counts[1] - counts[0]).tolist()) == {3}


def test_bad_options_are_refused_in_a_sentence(refusal: Typed, small: tuple[str, ...]) -> None:
    words = ("run", *small, "row_transform=imbalance")
    assert "row_transform.ratio" in refusal(*words)
    assert "row_transform.ratio wants at least 1, got 0.1" in refusal(*words, "row_transform.ratio=0.1")
    wrong = refusal(*words, "row_transform.ratio=10", "row_transform.shape=linear")
    assert "row_transform.shape wants 'exponential' or 'step', got 'linear'" in wrong
    assert "leaves" in refusal(*words, "row_transform.ratio=1000")
