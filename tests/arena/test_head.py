"""The head is the optimum of a convex problem, the same as scikit-learn's."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from calrun.arena.head import fit_head, loss_and_gradient


def rows(num_classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 4)), rng.integers(0, num_classes, 40)


def test_the_head_is_that_of_scikit_learn_on_rows_with_a_constant() -> None:
    features_LD, targets_L = rows()
    weight_CD, bias_C = fit_head(features_LD, targets_L, 3, l2=2.0, tolerance=1e-8)
    wide_LE = np.hstack([features_LD, np.ones((40, 1))])
    theirs = LogisticRegression(C=0.5, fit_intercept=False, tol=1e-10, max_iter=5000).fit(wide_LE, targets_L)
    np.testing.assert_allclose(np.hstack([weight_CD, bias_C[:, None]]), theirs.coef_, atol=1e-4)


def test_the_objective_is_summed_cross_entropy_and_half_the_squared_weights() -> None:
    wide_LE, targets_L = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([0, 1])
    flat = np.array([0.5, 0.0, 0.0, 0.25])  # weights of class 0, then of class 1
    loss, _ = loss_and_gradient(flat, wide_LE, targets_L, (2, 2), l2=4.0)
    by_hand = np.log(1 + np.exp(0.25 - 0.5)) + np.log(1 + np.exp(0.0 - 0.25)) + 4.0 / 2 * (0.25 + 0.0625)
    assert np.isclose(loss, by_hand / 2)


def test_the_gradient_is_that_of_the_objective() -> None:
    features_LD, targets_L = rows()
    flat, step = np.random.default_rng(1).normal(size=12), 1e-6
    _, gradient = loss_and_gradient(flat, features_LD, targets_L, (3, 4), l2=0.7)
    for place in range(12):
        moved = np.eye(12)[place] * step
        higher, lower = (
            loss_and_gradient(flat + sign * moved, features_LD, targets_L, (3, 4), 0.7)[0] for sign in (1, -1)
        )
        assert np.isclose(gradient[place], (higher - lower) / (2 * step), atol=1e-6)


def test_neither_order_nor_a_class_without_labels_matters() -> None:
    features_LD, targets_L = rows(2)
    order = np.random.default_rng(2).permutation(40)
    first = fit_head(features_LD, targets_L, 5, 1.0, 1e-9)
    second = fit_head(features_LD[order], targets_L[order], 5, 1.0, 1e-9)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
        assert np.isfinite(one).all()
    assert (features_LD @ first[0].T + first[1]).argmax(axis=1).max() < 2
