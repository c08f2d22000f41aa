"""Orthogonal matching pursuit against its textbook form on the columns themselves, with scipy's nnls."""

import numpy as np
import pytest
from scipy.optimize import nnls

from calrun.method.match.omp import pursue


def literal(columns_MN: np.ndarray, target_M: np.ndarray, size: int) -> tuple[list[int], np.ndarray]:
    """Alg. 2 of GRAD-MATCH without its penalty: take the column nearest to the residual, solve for all, go on."""
    chosen: list[int] = []
    weights = np.empty(0)
    residual_M = target_M
    while len(chosen) < size:
        projections_N = columns_MN.T @ residual_M
        projections_N[chosen] = -np.inf
        best = int(projections_N.argmax())
        if projections_N[best] <= 1e-9:
            break
        chosen.append(best)
        weights, _ = nnls(columns_MN[:, chosen], target_M)
        residual_M = target_M - columns_MN[:, chosen] @ weights
    return [j for j, weight in zip(chosen, weights, strict=True) if weight > 0], weights[weights > 0]


def products(columns_MN: np.ndarray, target_M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return columns_MN.T @ columns_MN, columns_MN.T @ target_M


@pytest.mark.parametrize("seed", range(20))
def test_choices_and_weights_are_those_of_the_textbook(seed: int) -> None:
    """Columns that lean to one side and to each other, so that weights do become 0 on the way."""
    rng = np.random.default_rng(seed)
    columns_MN = rng.normal(size=(12, 40)) + 0.5 * rng.normal(size=(12, 1))
    target_M = columns_MN.sum(axis=1) if seed % 2 else rng.normal(size=12)
    for size in (1, 3, 9, 40):
        chosen, weights = pursue(*products(columns_MN, target_M), size)
        expected, expected_weights = literal(columns_MN, target_M, size)
        assert chosen.tolist() == expected
        np.testing.assert_allclose(weights, expected_weights, rtol=1e-6, atol=1e-8)


def test_a_planted_sum_is_found() -> None:
    columns_MN = np.linalg.qr(np.random.default_rng(0).normal(size=(30, 20)))[0]
    target_M = columns_MN[:, [7, 2, 11]] @ np.array([3.0, 2.0, 1.0])
    chosen, weights = pursue(*products(columns_MN, target_M), 20)
    assert chosen.tolist() == [7, 2, 11]
    np.testing.assert_allclose(weights, [3.0, 2.0, 1.0])


def test_nothing_is_chosen_where_no_column_points_to_the_target() -> None:
    columns_MN = -np.eye(3)
    chosen, weights = pursue(*products(columns_MN, np.ones(3)), 3)
    assert len(chosen) == len(weights) == 0


def test_of_equal_columns_the_first_is_chosen_and_the_others_bring_nothing() -> None:
    columns_MN = np.repeat(np.ones((2, 1)), 4, axis=1)
    chosen, weights = pursue(*products(columns_MN, columns_MN.sum(axis=1)), 4)
    assert (chosen.tolist(), weights.tolist()) == ([0], [pytest.approx(4.0)])


def test_a_target_of_nothing_needs_no_column() -> None:
    assert len(pursue(np.zeros((3, 3)), np.zeros(3), 2)[0]) == 0
