"""Labels that people write into a file: wanted, written, wrong, and the run that they make."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def halved(path: Path, known: int = 30) -> np.ndarray:
    """Saves 80 rows of which the first are labelled; returns the labels of all."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80)
    x = rng.normal(size=(80, 4)) + 3 * y[:, None]
    seen = np.where(np.arange(80) < known, y, -1)
    np.savez(path, x_train=x, y_train=seen, x_test=x[:20], y_test=y[:20])
    return y


@pytest.fixture
def words(tmp_path: Path) -> tuple[str, ...]:
    return (
        "run", "dataset=npz", f"dataset.path={tmp_path / 'x.npz'}", "dataset.class_names=[no,yes]", "trainer=cpu",
        "trainer.max_epochs=2", "budget=counts", "budget.start=10", "budget.step=10", "budget.rounds=3",
        "acquisition=margin",
    )  # fmt: skip


def test_rows_that_nobody_has_labelled_are_asked_of_people(
    words: tuple[str, ...], calrun: Callable[..., Any], tmp_path: Path
) -> None:
    y = halved(tmp_path / "x.npz")
    labels = tmp_path / "labels.csv"
    told = (*words, "oracle=label_file", f"oracle.path={labels}")
    for _ in range(4):
        answer = calrun(*told)
        if answer.code == 0:
            break
        assert answer.code == 3, answer.err
        assert f"and add its lines to {labels}; the same command goes on" in answer.err
        wanted = max((tmp_path / "outputs").rglob("wanted-*.csv"))
        with wanted.open() as file, labels.open("a") as written:
            for item in csv.DictReader(file):
                assert int(item["item"]) >= 30  # what is known is not asked
                written.write(f"{item['item']},{['no', 'yes'][y[int(item['item'])]]}\n")
    assert answer.code == 0, answer.err
    (picks,) = (tmp_path / "outputs").rglob("picks.csv")
    with picks.open() as file:
        bought = list(csv.DictReader(file))
    assert len(bought) == 30
    assert all(each["class"] == ["no", "yes"][y[int(each["row"])]] for each in bought)
    assert any(int(each["row"]) >= 30 for each in bought)


def test_without_people_unknown_labels_are_refused_before_anything_is_trained(
    words: tuple[str, ...], calrun: Callable[..., Any], tmp_path: Path
) -> None:
    halved(tmp_path / "x.npz")
    answer = calrun(*words)
    assert answer.code == 2
    assert "50 training rows have no label (first: [30, 31, 32, 33, 34]), and oracle=simulated knows" in answer.err
    assert not list((tmp_path / "outputs").rglob("rounds.jsonl"))


def test_a_class_that_the_data_set_lacks_is_named(
    words: tuple[str, ...], calrun: Callable[..., Any], tmp_path: Path
) -> None:
    halved(tmp_path / "x.npz", known=4)
    labels = tmp_path / "labels.csv"
    labels.write_text("".join(f"{row},maybe\n" for row in range(80)))
    answer = calrun(*words, "oracle=label_file", f"oracle.path={labels}")
    assert answer.code == 2
    assert "classes that the data set does not have (first: [" in answer.err
    assert "its classes are no, yes" in answer.err


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["item,label", "40,yes", "41, no, really"], "the line of '41' has 3 values, the first line 2"),
        (["40,yes", "40,no"], "'40' has the labels 'yes' and 'no'"),
    ],
)
def test_lines_that_leave_the_label_open_are_refused(
    words: tuple[str, ...], refusal: Callable[..., str], tmp_path: Path, lines: list[str], message: str
) -> None:
    halved(tmp_path / "x.npz")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    assert message in refusal(*words, "oracle=label_file", f"oracle.path={tmp_path / 'labels.csv'}")
