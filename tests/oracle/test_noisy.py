"""A noisy oracle: its matrices by hand, answers that depend on the row alone, and runs with wrong labels."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calrun.dataset.base import Source
from calrun.oracle.noisy import Noisy, answers_of, matrix_in, pairs, symmetric

Typed = Callable[..., Any]
NOBODY: Source = None  # type: ignore[assignment]


def told(oracle: Noisy, num_classes: int) -> Noisy:
    oracle.begin(NOBODY, [str(c) for c in range(num_classes)], Path())
    return oracle


def test_matrices_by_hand() -> None:
    assert symmetric(np.array([0.2, 0.2, 0.4])).tolist() == [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]
    assert pairs(np.array([0.25, 0.0, 0.5])).tolist() == [[0.75, 0.25, 0.0], [0.0, 1.0, 0.0], [0.5, 0.0, 0.5]]
    assert symmetric(np.array([0.3])).tolist() == [[1.0]]


def test_an_answer_is_the_first_whose_cumulative_probability_is_above_the_number() -> None:
    matrix = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.0, 0.4, 0.6]])
    targets = np.array([0, 0, 0, 0, 1, 2, 2])
    drawn = np.array([0.0, 0.5, 0.74, 0.75, 0.999, 0.39, 0.4])
    assert answers_of(targets, matrix, drawn).tolist() == [0, 1, 1, 2, 1, 1, 2]


def test_a_row_has_one_answer_in_any_order_and_for_every_question() -> None:
    targets = np.random.default_rng(0).integers(0, 5, 1000)
    oracle, other, seeded = (told(Noisy(targets, "symmetric", 0.3, None, None, seed), 5) for seed in (0, 0, 1))
    rows = np.random.default_rng(1).permutation(1000)
    np.testing.assert_array_equal(oracle.answer(rows, 1), oracle.answer(np.arange(1000), 7)[rows])
    np.testing.assert_array_equal(other.answer(rows[:10], 3), oracle.truth(rows[:10]))
    assert (seeded.answer(rows, 1) != oracle.answer(rows, 1)).any()


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_the_share_of_wrong_answers_is_the_rate(rate: float) -> None:
    targets = np.repeat(np.arange(4), 5000)
    answers = told(Noisy(targets, "symmetric", rate, None, None, 0), 4).answer(np.arange(20_000), 1)
    assert np.mean(answers != targets) == pytest.approx(rate, abs=0.015)
    wrong = np.bincount(answers[(targets == 0) & (answers != 0)], minlength=4)[1:]
    assert np.ptp(wrong) < 0.15 * max(1, wrong.max())  # any other class alike


def test_rates_of_classes_and_the_users_matrix(tmp_path: Path) -> None:
    targets = np.repeat(np.arange(3), 4000)
    answers = told(Noisy(targets, "pair", [0.0, 0.5, 0.1], None, None, 0), 3).answer(np.arange(12_000), 1)
    assert set(answers[targets == 0]) == {0}
    assert set(answers[targets == 1]) == {1, 2}
    assert np.mean(answers[targets == 2] == 0) == pytest.approx(0.1, abs=0.02)
    matrix = [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    np.save(tmp_path / "m.npy", matrix)
    np.savetxt(tmp_path / "m.csv", matrix, delimiter=",")
    for given in ((matrix, None), (None, str(tmp_path / "m.npy")), (None, str(tmp_path / "m.csv"))):
        turned = told(Noisy(targets, "matrix", 0.2, *given, 0), 3).answer(np.arange(12_000), 1)
        np.testing.assert_array_equal(turned, (targets + 1) % 3)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0.5, 0.5]], r"as many numbers in each row as rows, but has the shape \(1, 2\)"),
        ([[0.5, 0.4], [0.0, 1.0]], r"1 rows have others \(first: row 0, sum 0.9\)"),
        ([[1.5, -0.5], [0.0, 1.0]], r"1 rows have others \(first: row 0, sum 1\)"),
        ([[float("nan"), 1.0], [0.0, 1.0]], r"1 rows have others \(first: row 0, sum nan\)"),
        ([[0.5], [0.0, 1.0]], "cannot be read as rows of numbers"),
    ],
)
def test_what_is_no_matrix_of_probabilities_is_said(matrix: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        matrix_in(matrix, None)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"oracle\.matrix_file nowhere\.csv cannot be read as rows of numbers"):
        matrix_in(None, "nowhere.csv")


def test_a_run_learns_from_wrong_labels_and_is_tested_on_true_ones(
    play: Typed, tmp_path: Path, run_folder: Callable[[], Path]
) -> None:
    matrix = tmp_path / "all.csv"
    np.savetxt(matrix, np.roll(np.eye(10), 1, axis=1), delimiter=",")
    words = ("oracle=noisy", "oracle.kind=matrix", f"oracle.matrix_file={matrix}", "budget.rounds=2")
    more = ("trainer.max_epochs=30", "budget.start=100", "optimizer.lr=0.1")
    answer = play(*words, *more)
    assert answer.code == 0, answer.err
    line = json.loads((run_folder() / "rounds.jsonl").read_text().splitlines()[-1])
    assert line["train_accuracy"] > 0.5
    assert line["test"]["test"]["accuracy"] < 0.1  # it has learnt the next class of each
    first = run_folder()
    np.savetxt(matrix, np.eye(10), delimiter=",")  # other bytes make another run
    assert play(*words, *more).code == 0
    assert len([*first.parent.iterdir()]) == 2


def test_bad_options_are_refused_before_the_first_fit(refusal: Typed, small: tuple[str, ...]) -> None:
    words = ("run", *small, "oracle=noisy")
    assert "oracle.rate wants a share from 0 to 1, got 1.5" in refusal(*words, "oracle.rate=1.5")
    assert "one for each of 10 classes, got 2" in refusal(*words, "oracle.rate=[0.1,0.2]")
    assert "oracle.kind wants 'symmetric' or 'pair' or 'matrix', got 'random'" in refusal(*words, "oracle.kind=random")
    assert "wants either oracle.matrix or oracle.matrix_file with oracle.kind=matrix" in refusal(
        *words, "oracle.kind=matrix"
    )
    few = "oracle.matrix=[[1.0,0.0],[0.0,1.0]]"
    assert "a row for each of 10 classes, got 2" in refusal(*words, "oracle.kind=matrix", few)
