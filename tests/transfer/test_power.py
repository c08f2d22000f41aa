"""What could have been told apart, against the tables of the sheet on statistics and against simulated sweeps."""

import math

import numpy as np
import pytest
from scipy import stats

from calrun.transfer.power import detectable


@pytest.mark.parametrize(
    ("num_comparisons", "found"),
    [(1, [3.26, 1.68, 1.00, 0.66, 0.40]), (7, [8.67, 2.88, 1.40, 0.87, 0.52]), (25, [16.4, 4.00, 1.70, 1.01, 0.58])],
)
def test_it_is_what_simulated_samples_need(num_comparisons: int, found: list[float]) -> None:
    ours = [detectable(n, num_comparisons) for n in (3, 5, 10, 20, 50)]
    np.testing.assert_allclose(ours, found, rtol=0.012)


def test_four_of_five_samples_of_that_difference_are_told_apart_and_few_without_one() -> None:
    rng = np.random.default_rng(0)
    noise_RS = rng.normal(size=(20_000, 5))
    told = [(stats.ttest_1samp(noise_RS + moved, 0.0, axis=1).pvalue < 0.05).mean() for moved in (0.0, detectable(5))]
    assert told[0] == pytest.approx(0.05, abs=0.006)
    assert told[1] == pytest.approx(0.80, abs=0.012)


def test_one_pair_tells_nothing() -> None:
    assert math.isnan(detectable(1))
