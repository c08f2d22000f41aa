"""Names, true and false, and numbers from 1 become class numbers, and the names are kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from calrun.dataset.check.label_names import numbered


@pytest.mark.parametrize(
    ("train", "test", "wanted", "names"),
    [
        (["cat", "ant", "cat"], ["ant", "cat"], ([1, 0, 1], [0, 1]), ["ant", "cat"]),
        ([b"cat", b"ant"], [b"ant"], ([1, 0], [0]), ["ant", "cat"]),
        ([True, False], [False], ([1, 0], [0]), ["False", "True"]),
        ([1, 2, 3, 1], [3, 2], ([0, 1, 2, 0], [2, 1]), ["1", "2", "3"]),
        ([[2], [1]], [[1]], ([1, 0], [0]), ["1", "2"]),
        ([0, 1, 2], [2], ([0, 1, 2], [2]), None),
        ([1, 2, 3], [0], ([1, 2, 3], [0]), None),  # 0 is a class that train lacks, which is said elsewhere
        ([1, 3], [1], ([1, 3], [1]), None),
        (["b", "", "a"], ["a"], ([1, -1, 0], [0]), ["a", "b"]),
        ([2, -1, 1], [1], ([1, -1, 0], [0]), ["1", "2"]),
        ([0, -1, 1], [1], ([0, -1, 1], [1]), None),
    ],
)
def test_labels_become_class_numbers(
    train: list[Any], test: list[Any], wanted: tuple[list[int], list[int]], names: list[str] | None
) -> None:
    found, called = numbered({"train": np.array(train), "test": np.array(test)})
    assert (found["train"].tolist(), found["test"].tolist()) == wanted
    assert called == names


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (["a", "b"], ["c"], r"split test has 1 labels that no training row has \(first: \['c'\]\)"),
        (["a", "b"], [1], "split train has labels that are text, but split test has labels of type int64"),
        ([True, False], ["a"], "that are true or false, but split test has labels of type <U1"),
        (["a", "b"], ["a", " "], r"split test has 1 labels that are empty \(first: \[1\]\)"),
        ([["a", "b"]], ["a"], "one name per row is wanted"),
    ],
)
def test_what_cannot_be_named_is_said(train: list[Any], test: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        numbered({"train": np.array(train), "test": np.array(test)})


def test_a_run_records_the_names(calrun: Callable[..., Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.array(["yes", "no"])[rng.integers(0, 2, 60)]
    np.savez(
        tmp_path / "x.npz", x_train=rng.normal(size=(60, 3)), y_train=y, x_test=rng.normal(size=(9, 3)), y_test=y[:9]
    )
    words = ("run", "dataset=npz", f"dataset.path={tmp_path / 'x.npz'}", "trainer=cpu", "trainer.max_epochs=1")
    answer = calrun(*words, "budget=counts", "budget.start=9", "budget.rounds=1")
    assert answer.code == 0, answer.err
    (written,) = (tmp_path / "outputs").rglob("config.yaml")
    assert yaml.safe_load(written.read_text())["class_names"] == ["no", "yes"]
    assert written.with_name("picks.csv").read_text().splitlines()[1].endswith((",yes", ",no"))
