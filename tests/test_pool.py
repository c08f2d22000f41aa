"""The pool: who is labelled since when, and who may see labels."""

import numpy as np
import pytest

from calrun.pool import Pool


@pytest.fixture
def pool() -> Pool:
    """Eight rows of two classes; row 7 is held out, rows 5 and 2 were bought first, then row 0."""
    pool = Pool.simulated(np.arange(8) % 2, num_classes=2, held_out=np.array([7]))
    pool.label(np.array([5, 2]), 1)
    pool.label(np.array([0]), 2)
    return pool


def test_rows_are_labelled_since_the_round_that_bought_them(pool: Pool) -> None:
    np.testing.assert_array_equal(pool.labelled, [0, 2, 5])
    np.testing.assert_array_equal(pool.labelled_in(1), [2, 5])
    np.testing.assert_array_equal(pool.labelled_in(2), [0])
    np.testing.assert_array_equal(pool.history(2), [2, 5])
    np.testing.assert_array_equal(pool.history(1), [])


def test_the_order_of_choice_is_kept(pool: Pool) -> None:
    np.testing.assert_array_equal(pool.bought[1], [5, 2])


def test_held_out_rows_are_neither_counted_nor_offered(pool: Pool) -> None:
    assert len(pool) == 7
    np.testing.assert_array_equal(pool.unlabelled, [1, 3, 4, 6])


def test_labels_that_are_not_bought_stay_hidden(pool: Pool) -> None:
    np.testing.assert_array_equal(pool.known_targets(), [0, -1, 0, -1, -1, 1, -1, -1])
    np.testing.assert_array_equal(pool.targets_of(np.array([5, 0])), [1, 0])
    with pytest.raises(ValueError, match=r"labels of 2 rows are asked for before they are bought \(first: \[3, 7\]\)"):
        pool.targets_of(np.array([5, 3, 7]))


def test_the_oracle_of_declared_cheats_sees_everything(pool: Pool) -> None:
    np.testing.assert_array_equal(pool.truth(np.array([3, 7])), [1, 1])


@pytest.mark.parametrize("rows", [[1, 5], [1, 1], [1, 7], [1, 8], [-1, 1]])
def test_a_wrong_row_labels_nothing(pool: Pool, rows: list[int]) -> None:
    before = pool.round_of.copy()
    with pytest.raises(ValueError, match="round 3 wants to label"):
        pool.label(np.array(rows), 3)
    np.testing.assert_array_equal(pool.round_of, before)
    assert 3 not in pool.bought


def test_buying_nothing_is_no_round(pool: Pool) -> None:
    pool.label(pool.nothing, 3)
    assert set(pool.bought) == {1, 2}


@pytest.mark.parametrize("rows", [[1, 3], np.array([1.0, 3.0]), np.array([[1], [3]]), np.array([True, False])])
def test_rows_that_are_no_array_of_row_numbers_are_refused(pool: Pool, rows: object) -> None:
    with pytest.raises(ValueError, match="round 3 wants the rows to label as one numpy array of whole numbers, but"):
        pool.label(rows, 3)  # type: ignore[arg-type]
    assert 3 not in pool.bought
