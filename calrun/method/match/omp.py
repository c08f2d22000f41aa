"""Orthogonal matching pursuit with weights that are not negative, on inner products alone.

Pati et al. 1993; as Killamsetty et al. 2021 (GRAD-MATCH), Alg. 2, use it to match a sum of gradients.

Dimension key: N columns to choose from, K chosen ones, P those of positive weight.
"""

import numpy as np
from scipy.linalg import cho_factor, cho_solve

RELATIVE = 1e-10  # of the largest inner product with the target, under which one counts as 0


def pursue(gram_NN: np.ndarray, target_N: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Chooses columns a_j one after the other, and weights w >= 0 that minimise ||sum w_j a_j - b|| over them.

    The next column is the one with the largest inner product with what is left of b; of equals, the first. It ends when
    no column is left that would bring the sum nearer to b.

    Args:
        gram_NN: inner products of the columns, in double precision.
        target_N: inner product of each column with b.
        size: columns at most.

    Returns:
        The columns with a positive weight in the order of their choice (K,), and their weights (K,).
    """
    left_N, nothing = target_N.copy(), RELATIVE * np.abs(target_N).max(initial=0.0)
    chosen, weights_K = np.empty(0, dtype=np.int64), np.empty(0)
    while len(chosen) < size:
        left_N[chosen] = -np.inf
        best = int(np.argmax(left_N)) if len(left_N) else -1
        if best < 0 or left_N[best] <= nothing:
            break
        chosen = np.append(chosen, best)
        weights_K = not_negative(gram_NN[np.ix_(chosen, chosen)], target_N[chosen], np.append(weights_K, 0.0), nothing)
        left_N = target_N - gram_NN[:, chosen] @ weights_K
    positive = weights_K > 0
    return chosen[positive], weights_K[positive]


def not_negative(gram_KK: np.ndarray, target_K: np.ndarray, weights_K: np.ndarray, nothing: float) -> np.ndarray:
    """Returns the weights w >= 0 that minimise w' G w / 2 - w' t (K,): Lawson and Hanson 1974, Ch. 23.

    Args:
        gram_KK: G.
        target_K: t.
        weights_K: a start, not negative, such as the solution without the last column.
        nothing: a gradient that counts as 0.
    """
    weights_K, free_K = weights_K.copy(), weights_K > 0
    for _ in range(3 * len(weights_K)):  # their bound in practice
        gradient_K = np.where(free_K, -np.inf, target_K - gram_KK @ weights_K)
        best = int(np.argmax(gradient_K))
        if gradient_K[best] <= nothing:
            break
        free_K[best] = True
        weights_K = _stepped(gram_KK, target_K, weights_K, free_K)
    return weights_K


def _stepped(gram_KK: np.ndarray, target_K: np.ndarray, weights_K: np.ndarray, free_K: np.ndarray) -> np.ndarray:
    """Solves for the free weights, and gives up (in `free_K`) those that would become negative on the way there."""
    while free_K.any():
        goal_K = np.zeros_like(weights_K)
        goal_K[free_K] = _solved(gram_KK[np.ix_(free_K, free_K)], target_K[free_K])
        wrong_K = free_K & (goal_K <= 0)
        if not wrong_K.any():
            return goal_K
        way_K = weights_K[wrong_K] / (weights_K[wrong_K] - goal_K[wrong_K])
        weights_K = weights_K + way_K.min() * (goal_K - weights_K)
        given_up = np.flatnonzero(wrong_K)[way_K <= way_K.min()]
        free_K[given_up], weights_K[given_up] = False, 0.0
    return np.zeros_like(weights_K)


def _solved(gram_PP: np.ndarray, target_P: np.ndarray) -> np.ndarray:
    try:
        solution_P: np.ndarray = cho_solve(cho_factor(gram_PP), target_P)
    except np.linalg.LinAlgError:  # columns that depend on each other
        solution_P = np.linalg.lstsq(gram_PP, target_P, rcond=None)[0]
    return solution_P
