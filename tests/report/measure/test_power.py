"""Smallest differences are those of the statistics sheet, and seeds needed are the fewest."""

import numpy as np
import pytest
from scipy import stats

from calrun.report.measure.power import chance, detectable, seeds_needed

SHEET = {  # comparisons: difference in standard deviations found with 80 % power by 3, 5, 10, 20 and 50 seeds
    1: (3.26, 1.68, 1.00, 0.66, 0.40),
    7: (8.67, 2.88, 1.40, 0.87, 0.52),
    25: (16.4, 4.00, 1.70, 1.01, 0.58),
    40: (20.7, 4.51, 1.81, 1.06, 0.61),
}


@pytest.mark.parametrize("comparisons", SHEET)
def test_differences_are_those_of_the_sheet(comparisons: int) -> None:
    found = [detectable(seeds, comparisons) for seeds in (3, 5, 10, 20, 50)]
    np.testing.assert_allclose(found, SHEET[comparisons], rtol=0.015)  # the sheet is rounded


@pytest.mark.parametrize(("difference", "comparisons"), [(1.0, 1), (0.5, 25), (3.0, 7)])
def test_seeds_needed_are_the_fewest(difference: float, comparisons: int) -> None:
    seeds = seeds_needed(difference, comparisons)
    assert seeds is not None
    assert chance(difference, seeds, comparisons) >= 0.8
    assert seeds == 2 or chance(difference, seeds - 1, comparisons) < 0.8


def test_what_no_number_of_seeds_tells_is_said() -> None:
    assert seeds_needed(1e-3) is None
    assert np.isnan(detectable(1))


def test_four_of_five_samples_of_that_difference_are_told_apart_and_few_without_one() -> None:
    rng = np.random.default_rng(0)
    noise_RS = rng.normal(size=(20_000, 5))
    told = [(stats.ttest_1samp(noise_RS + moved, 0.0, axis=1).pvalue < 0.05).mean() for moved in (0.0, detectable(5))]
    assert told[0] == pytest.approx(0.05, abs=0.006)
    assert told[1] == pytest.approx(0.80, abs=0.012)
