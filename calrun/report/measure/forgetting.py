"""The forgetting matrix: accuracy on what each round bought, after each later round (Das et al. 2023, Figure 2)."""

import numpy as np
import pandas as pd


def forgetting_matrix(run: pd.DataFrame) -> np.ndarray:
    """Returns accuracy_TT of one run: row t-1 after round t, column i-1 on D_i; NaN where not recorded or i > t."""
    size = int(run["round"].max())
    accuracy_TT = np.full((size, size), np.nan)
    for number, values in zip(run["round"], run["accuracy_by_round"], strict=True):
        if values is not None and np.ndim(values) == 1:
            accuracy_TT[number - 1, : len(values)] = np.asarray(values, float)[:size]
    return accuracy_TT


def mean_forgetting(accuracy_TT: np.ndarray) -> float:
    """Returns how far below its best each D_i stands after the last round, averaged over i < T; NaN for one round."""
    if len(accuracy_TT) < 2 or np.isnan(accuracy_TT[-1, :-1]).any():
        return float("nan")
    best_T = np.nanmax(accuracy_TT[:, :-1], axis=0)
    return float(np.mean(best_T - accuracy_TT[-1, :-1]))


def mean_forgetting_matrix(runs: pd.DataFrame) -> tuple[np.ndarray, int]:
    """Returns the mean over seeds of the forgetting matrices of one line, and n; only runs of the full length count."""
    matrices = [forgetting_matrix(run) for _, run in runs.groupby("run_id")]
    size = max(len(matrix) for matrix in matrices)
    whole = [matrix for matrix in matrices if len(matrix) == size and not np.isnan(matrix[np.tril_indices(size)]).any()]
    if not whole:
        return np.full((size, size), np.nan), 0
    return np.mean(whole, axis=0), len(whole)
