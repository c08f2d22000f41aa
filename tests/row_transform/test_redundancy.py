"""Redundant training sets: the paper's counts, the places of copies, shifted pictures, and a run on them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calrun.dataset.source.resident import Resident
from calrun.dataset.source.transform import Transform
from calrun.row_transform.redundancy import Redundancy, redundant_rows, shifted

Typed = Callable[..., Any]


def rows_of(targets: Any, inputs: torch.Tensor | None = None) -> Resident:
    targets_N = np.asarray(targets)
    return Resident(
        torch.arange(float(len(targets_N)))[:, None] if inputs is None else inputs, targets_N, Transform([0.0], [1.0])
    )


@pytest.fixture(scope="module")
def cifar() -> np.ndarray:
    """The classes of CIFAR-10's training set in some order."""
    return np.random.default_rng(0).permutation(np.repeat(np.arange(10), 5000))


@pytest.mark.parametrize("factor", [2, 5, 10, 20])
def test_the_papers_sets_keep_size_and_classes_and_have_each_copied_row_so_often(
    factor: int, cifar: np.ndarray
) -> None:
    train = Redundancy(factor, 5000, "exact", seed=0)(rows_of(cifar), 10)
    assert len(train) == 50_000
    np.testing.assert_array_equal(train.targets, cifar)
    times = np.bincount([int(train.item_id(row)) for row in range(len(train))])
    times = times[times > 0]
    assert (times == 1).sum() >= 5000
    assert times.max() == factor
    assert len(times) == pytest.approx(5000 + 45_000 / factor, abs=10)  # each class is rounded up
    assert set(times.tolist()) <= {1, factor - 1, factor}  # where a class does not divide, some lack a copy
    assert (times == factor).sum() > 0.9 * 45_000 / factor


def test_places_by_hand() -> None:
    targets = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    others = np.array([4, 3, 2, 1, 7, 6])  # rows 0 and 5 are unique
    assert redundant_rows(targets, 2, others).tolist() == [0, 3, 4, 3, 4, 5, 7, 7]
    assert redundant_rows(targets, 3, others).tolist() == [0, 3, 4, 3, 4, 5, 7, 7]
    assert redundant_rows(targets, 4, others).tolist() == [0, 4, 4, 4, 4, 5, 7, 7]


def test_factor_1_copies_nothing_and_the_seed_decides() -> None:
    train = rows_of([0, 1] * 20)
    same = Redundancy(1, 4, "exact", 0)(train, 2)
    assert [same.item_id(row) for row in range(40)] == [str(row) for row in range(40)]
    first, again, other = (Redundancy(5, 4, "exact", seed)(train, 2) for seed in (0, 0, 1))
    assert first.checksum(0) == again.checksum(0) != other.checksum(0)


def test_a_picture_is_moved_and_what_comes_in_is_black() -> None:
    picture = torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8)[None, None]
    moved = shifted(picture.repeat(3, 1, 1, 1), torch.tensor([[0, 0], [1, 0], [0, -1]]))
    assert moved[:, 0].tolist() == [[[1, 2], [3, 4]], [[0, 0], [1, 2]], [[2, 0], [4, 0]]]


def test_shifted_copies_are_near_their_originals_which_stay_as_they_are() -> None:
    pictures = torch.randint(1, 255, (60, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    train = rows_of([0, 1] * 30, pictures)
    made = Redundancy(10, 20, "shifted", 0)(train, 2)
    assert isinstance(made, Resident)
    originals = [int(made.item_id(row)) for row in range(60)]
    stay = [row for row in range(60) if originals[row] == row]
    assert len(stay) == 20 + 2 * 2
    torch.testing.assert_close(made.inputs[stay], pictures[stay])
    copies = [row for row in range(60) if originals[row] != row]
    equal = [torch.equal(made.inputs[row], pictures[originals[row]]) for row in copies]
    assert sum(equal) < 3
    assert all(
        set(made.inputs[row].unique().tolist()) <= {0, *pictures[originals[row]].unique().tolist()} for row in copies
    )
    assert made.targets.tolist() == train.targets.tolist()


@pytest.mark.parametrize(
    ("factor", "unique", "copies", "targets", "message"),
    [
        (2, 5, "exact", [0, 1], r"wants 5 unique rows, but the training set has 2; take a smaller"),
        (2, 0, "exact", [0, -1], r"row_transform=redundancy wants the class of every row, but 1 rows have none"),
        (2, 0, "shifted", [0, 1], r"copies=shifted wants pictures in memory, but Resident holds others"),
    ],
)
def test_what_is_impossible_is_said(factor: int, unique: int, copies: Any, targets: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Redundancy(factor, unique, copies, 0)(rows_of(targets), 2)


def test_a_run_plays_on_copies_and_writes_its_rows_down(play: Typed, run_folder: Callable[[], Path]) -> None:
    words = ("row_transform=redundancy", "row_transform.factor=5", "row_transform.unique=50", "acquisition=badge")
    answer = play(*words, "budget.rounds=2")
    assert answer.code == 0, answer.err
    items = (run_folder() / "train_items.txt").read_text().split()
    assert len(items) == 200
    assert len(set(items)) == pytest.approx(50 + 150 / 5, abs=10)
    config = (run_folder() / "config.yaml").read_text()
    assert "factor: 5" in config
    first = json.loads((run_folder() / "rounds.jsonl").read_text().splitlines()[0])
    assert first["labelled"] == 20


def test_transforms_are_composed_in_a_list(play: Typed, run_folder: Callable[[], Path]) -> None:
    rows = "calrun.row_transform"
    per_class = f"{{_target_:{rows}.per_class.PerClass,count:12,seed:0}}"
    copied = f"{{_target_:{rows}.redundancy.Redundancy,factor:4,unique:40,copies:shifted,seed:0}}"
    words = ("row_transform=chain", "budget.rounds=2")
    answer = play(*words, f"row_transform.transforms=[{copied},{per_class}]")
    assert answer.code == 0, answer.err
    items = (run_folder() / "train_items.txt").read_text().split()
    assert len(items) == 120
    assert len(set(items)) < 120
    assert "factor: 4" in (run_folder() / "config.yaml").read_text()
    refused = play(*words, f"row_transform.transforms=[{per_class},{copied}]", "experiment_name=turned")
    assert refused.code == 2
    assert "shifted wants pictures in memory, but Subset holds others" in refused.err


def test_bad_options_are_refused_in_a_sentence(refusal: Typed, small: tuple[str, ...]) -> None:
    words = ("run", *small, "row_transform=redundancy")
    assert "row_transform.factor" in refusal(*words)
    assert "row_transform.factor wants at least 1, got 0" in refusal(*words, "row_transform.factor=0")
    wrong = refusal(*words, "row_transform.factor=2", "row_transform.copies=near")
    assert "row_transform.copies wants 'exact' or 'shifted', got 'near'" in wrong
    assert "wants 5,000 unique rows, but the training set has 200" in refusal(*words, "row_transform.factor=2")
