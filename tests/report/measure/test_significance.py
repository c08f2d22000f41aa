from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from calrun.report.measure.significance import bands, holm, interval, paired_t_test, penalty_matrix, versus
from calrun.report.read.runs import read

MakeRun = Callable[..., Path]


def test_t_test_is_the_textbook_one() -> None:
    differences_S = np.array([0.01, 0.03, 0.02, np.nan])
    expected = stats.ttest_1samp(differences_S[:3], 0.0).pvalue
    assert paired_t_test(differences_S) == pytest.approx(expected)


def test_what_cannot_be_tested_has_no_p() -> None:
    assert np.isnan(paired_t_test(np.array([0.1])))
    assert np.isnan(paired_t_test(np.array([0.1, 0.1])))
    assert paired_t_test(np.zeros(3)) == 1.0


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, np.nan, 0.03])), [0.03, 0.06, np.nan, 0.06])
    np.testing.assert_allclose(holm(np.array([0.6, 0.9])), [1.0, 1.0])


def test_band_holds_the_mean_and_is_absent_for_one_seed() -> None:
    values_S = np.array([0.7, 0.9, 0.8, np.nan])
    expected = stats.ttest_1samp(values_S[:3], 0.0).confidence_interval()
    np.testing.assert_allclose(interval(values_S), [expected.low, expected.high])
    assert interval(np.array([0.5, 0.5])) == (0.5, 0.5)
    assert np.isnan(interval(np.array([0.9, np.nan]))).all()


def test_from_five_seeds_on_the_band_is_the_bca_bootstrap() -> None:
    values_S = np.array([0.70, 0.71, 0.69, 0.72, 0.90, 0.70])
    drawn = stats.bootstrap((values_S,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(1))
    np.testing.assert_allclose(interval(values_S), drawn.confidence_interval, atol=0.002)
    assert interval(values_S) == interval(values_S)


def test_bands_are_the_same_for_every_call(make_run: MakeRun, tmp_path: Path) -> None:
    for seed in range(3):
        make_run([0.5 + seed / 50, 0.8 - seed / 50], seed=seed)
    table = read([tmp_path]).table
    pd.testing.assert_frame_equal(bands(table), bands(table))


def test_beats_random_is_paired_corrected_and_honest_about_one_seed(make_run: MakeRun, tmp_path: Path) -> None:
    for seed, noise in enumerate((0.0, 0.05, -0.05)):
        make_run([0.5, 0.7 + noise], seed=seed, acquisition="random")
        make_run([0.5, 0.8 + noise + seed / 1000], seed=seed, acquisition="entropy")
        make_run([0.5, 0.7 + noise + (seed - 1) / 100], seed=seed, acquisition="margin")
    make_run([0.5, 0.9], acquisition="badge")
    result = versus(read([tmp_path]).table, "random", rows="acquisition")
    last = result[result["measure"] == "last budget"].set_index("acquisition")
    assert last["answer"].to_dict() == {"badge": "untested", "entropy": "better", "margin": "open"}
    assert last["n"].to_dict() == {"badge": 1, "entropy": 3, "margin": 3}
    assert last.loc["entropy", "p_holm"] == pytest.approx(2 * last.loc["entropy", "p"])
    assert last.loc["entropy", "difference"] == pytest.approx(0.101)


def test_penalty_matrix_counts_the_rounds_won(make_run: MakeRun, tmp_path: Path) -> None:
    for seed in range(3):
        make_run([0.5, 0.7 + seed / 1000, 0.6], seed=seed, acquisition="random")
        make_run([0.5, 0.8 + seed / 500, 0.6 + (seed - 1) / 10], seed=seed, acquisition="entropy")
    matrix = penalty_matrix(read([tmp_path]).table)
    assert matrix.loc["entropy", "random"] == pytest.approx(1 / 3)
    assert matrix.loc["random", "entropy"] == 0.0
