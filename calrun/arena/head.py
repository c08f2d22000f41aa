"""The arena's head: softmax regression on features, fitted to its optimum, so that labels alone decide it.

min over W, b of sum_l -log p(y_l | h_l) + (l2 / 2) (|W|^2 + |b|^2), which has one solution however few classes are
labelled: neither seed, nor order, nor earlier rounds matter. It is scikit-learn's LogisticRegression with C = 1 / l2 on
rows with a constant entry.

Dimension key: L labelled rows, C classes, D features, E = D + 1 features and the constant.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

MOST_STEPS = 500
MEMORY = 10  # pairs of steps that L-BFGS keeps
OBJECTIVE_TOLERANCE = 1e-12


def fit_head(
    features_LD: np.ndarray, targets_L: np.ndarray, num_classes: int, l2: float, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns W (C, D) and b (C,) by L-BFGS from zero, in double precision.

    Args:
        features_LD: of the labelled rows.
        targets_L: their classes.
        num_classes: C.
        l2: weight of the penalty.
        tolerance: largest entry of the gradient, for each labelled row, at which the fit ends.

    Raises:
        ValueError: if the fit does not end.
    """
    wide_LE = np.hstack([features_LD.astype(np.float64), np.ones((len(features_LD), 1))])
    shape = (num_classes, wide_LE.shape[1])
    solved = minimize(
        loss_and_gradient,
        np.zeros(shape[0] * shape[1]),
        args=(wide_LE, targets_L, shape, l2),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MOST_STEPS, "maxcor": MEMORY, "gtol": tolerance, "ftol": OBJECTIVE_TOLERANCE},
    )
    if not np.isfinite(solved.fun):
        raise ValueError(f"the head's fit to {len(targets_L)} labels is not finite; look at their features")
    weight_CE = solved.x.reshape(shape)
    return weight_CE[:, :-1], weight_CE[:, -1]


def loss_and_gradient(
    flat: np.ndarray, wide_LE: np.ndarray, targets_L: np.ndarray, shape: tuple[int, int], l2: float
) -> tuple[float, np.ndarray]:
    """Returns the objective and its gradient (C * E,), both divided by L."""
    weight_CE, rows = flat.reshape(shape), np.arange(len(targets_L))
    logits_LC = wide_LE @ weight_CE.T
    log_sum_L = logsumexp(logits_LC, axis=1)
    loss = float((log_sum_L - logits_LC[rows, targets_L]).sum()) + 0.5 * l2 * float(flat @ flat)
    residual_LC = np.exp(logits_LC - log_sum_L[:, None])
    residual_LC[rows, targets_L] -= 1
    gradient_CE = residual_LC.T @ wide_LE + l2 * weight_CE
    return loss / len(rows), gradient_CE.ravel() / len(rows)
