import numpy as np
import pandas as pd
import pytest

from calrun.report.measure.forgetting import forgetting_matrix, mean_forgetting, mean_forgetting_matrix


def run(values: list[list[float] | None], run_id: str = "a") -> pd.DataFrame:
    return pd.DataFrame({"run_id": run_id, "round": range(1, len(values) + 1), "accuracy_by_round": values})


def test_matrix_is_lower_triangular_and_unrecorded_rounds_are_unknown() -> None:
    matrix_TT = forgetting_matrix(run([[0.9], None, [0.5, 0.6, 0.95]]))
    np.testing.assert_array_equal(matrix_TT, [[0.9, np.nan, np.nan], [np.nan] * 3, [0.5, 0.6, 0.95]])


def test_forgetting_is_the_fall_from_the_best_to_the_last_round() -> None:
    matrix_TT = forgetting_matrix(run([[0.9], [0.6, 0.8], [0.5, 0.85, 0.95]]))
    assert mean_forgetting(matrix_TT) == pytest.approx((0.9 - 0.5 + 0.0) / 2)
    assert np.isnan(mean_forgetting(forgetting_matrix(run([[0.9]]))))


def test_mean_matrix_counts_whole_runs_only() -> None:
    runs = pd.concat([run([[0.8], [0.6, 0.8]]), run([[0.6], [0.4, 0.8]], "b"), run([[0.1]], "c")])
    matrix_TT, n = mean_forgetting_matrix(runs)
    assert n == 2
    np.testing.assert_allclose(matrix_TT, [[0.7, np.nan], [0.5, 0.8]])
