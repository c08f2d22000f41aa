"""Rows of one table are drawn class by class, or split by a column."""

import numpy as np
import pytest

from calrun.dataset.check.split import split_rows


def test_each_class_gives_its_share_and_keeps_a_training_row() -> None:
    targets = np.repeat([0, 1, 2], [50, 10, 1])
    rows = split_rows(targets, None, 0.3, "x")
    assert np.bincount(targets[rows["test"]], minlength=3).tolist() == [15, 3, 0]
    assert sorted(np.concatenate([rows["train"], rows["test"]]).tolist()) == list(range(61))
    again = split_rows(targets, None, 0.3, "x")
    np.testing.assert_array_equal(rows["test"], again["test"])
    assert rows["test"].tolist() != list(range(15)) + list(range(50, 53))


def test_even_a_large_share_leaves_a_row_of_each_class() -> None:
    rows = split_rows(np.array([0, 0, 1, 1]), None, 0.99, "x")
    assert sorted(np.array([0, 0, 1, 1])[rows["train"]].tolist()) == [0, 1]


def test_a_column_names_the_splits() -> None:
    column = np.array(["val", "train", "test", "train"])
    rows = split_rows(np.zeros(4, np.int64), column, 0.5, "x")
    assert {name: found.tolist() for name, found in rows.items()} == {"train": [1, 3], "test": [2], "val": [0]}
    rows = split_rows(np.zeros(2, np.int64), np.array(["train", "test"]), 0.5, "x")
    assert set(rows) == {"train", "test"}


def test_other_names_and_missing_splits_are_said() -> None:
    with pytest.raises(ValueError, match=r"mine wants train, test, val, but names 1 others \(first: \['dev'\]\)"):
        split_rows(np.zeros(2, np.int64), np.array(["train", "dev"]), 0.5, "mine")
    with pytest.raises(ValueError, match="mine names no row of train; every run wants both"):
        split_rows(np.zeros(1, np.int64), np.array(["test"]), 0.5, "mine")
