"""The same number of rows of each class: which ones are kept, and what is impossible."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from calrun.dataset.source.resident import Resident
from calrun.dataset.source.transform import Transform
from calrun.row_transform.per_class import PerClass

Typed = Callable[..., Any]


def rows_of(targets: Any) -> Resident:
    targets_N = np.asarray(targets)
    return Resident(torch.arange(float(len(targets_N)))[:, None], targets_N, Transform([0.0], [1.0]))


def test_each_class_has_its_count_in_the_order_of_the_rows() -> None:
    train = rows_of(np.random.default_rng(0).permutation(np.repeat(np.arange(4), [9, 20, 12, 30])))
    kept = PerClass(9, seed=0)(train, 4)
    assert np.bincount(kept.targets).tolist() == [9] * 4
    rows = [int(kept.item_id(row)) for row in range(len(kept))]
    assert rows == sorted(set(rows))
    np.testing.assert_array_equal(train.targets[rows], kept.targets)


def test_a_larger_count_keeps_what_a_smaller_one_keeps_and_the_seed_decides() -> None:
    train = rows_of([0, 1, 2] * 50)
    few, more, other = (
        {source.item_id(row) for row in range(len(source))}
        for source in (PerClass(5, 0)(train, 3), PerClass(20, 0)(train, 3), PerClass(5, 1)(train, 3))
    )
    assert few < more
    assert few != other


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([0, 0, 1], r"wants 2 rows of each class, but class 1 has 1 \(1 classes have too few\); take a smaller"),
        ([0, -1, 1], r"row_transform=per_class wants the class of every row, but 1 rows have none"),
    ],
)
def test_what_is_impossible_is_said(targets: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PerClass(2, 0)(rows_of(targets), 2)


def test_it_is_refused_before_the_first_fit(refusal: Typed, small: tuple[str, ...]) -> None:
    words = ("run", *small, "row_transform=per_class")
    assert "row_transform.count wants at least 1, got 0" in refusal(*words, "row_transform.count=0")
    assert "wants 5,000 rows of each class" in refusal(*words, "row_transform.count=5000")
