"""Mean ranks, ties among them, and the critical difference of the statistics sheet and of scikit-posthocs."""

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from scipy import stats

from calrun.arena.ranks import critical_difference, ranked

SHEET = {
    5: (2.73, 1.93, 1.36, 0.86),
    10: (6.06, 4.28, 3.03, 1.92),
    26: (17.8, 12.6, 8.9, 5.6),
    40: (28.7, 20.3, 14.4, 9.1),
}


def table(num_sets: int, k: int, seed: int = 0) -> pd.DataFrame:
    values = np.random.default_rng(seed).normal(size=(num_sets, k))
    return pd.DataFrame(values, columns=[f"a{number}" for number in range(k)])


@pytest.mark.parametrize("k", SHEET)
def test_critical_differences_are_those_of_the_sheet(k: int) -> None:
    found = [critical_difference(k, num_sets) for num_sets in (5, 10, 20, 50)]
    np.testing.assert_allclose(found, SHEET[k], rtol=0.03)


def test_two_ranks_are_apart_where_they_differ_by_more_than_the_critical_difference() -> None:
    values = table(20, 5) + np.array([0.0, 0.5, 1.0, 2.0, 3.0])
    found = ranked(values)
    apart = found.p.to_numpy(float) < 0.05
    distance = np.abs(np.subtract.outer(found.mean[values.columns].to_numpy(), found.mean[values.columns].to_numpy()))
    np.testing.assert_array_equal(apart, distance > found.critical_difference)
    assert found.num_apart == int(apart.sum()) // 2 > 0
    np.testing.assert_allclose(found.p, scikit_posthocs.posthoc_nemenyi_friedman(values))


def test_ties_take_mean_ranks_and_the_best_comes_first() -> None:
    values = pd.DataFrame({"a": [1.0, 5.0], "b": [1.0, 4.0], "c": [2.0, 3.0]})
    assert ranked(values).mean.to_dict() == {"a": (2.5 + 1) / 2, "c": 2.0, "b": (2.5 + 2) / 2}
    assert ranked(values).mean.index[0] == "a"


def test_the_order_of_sets_and_acquisitions_changes_nothing() -> None:
    values = table(7, 6)
    other = ranked(values.iloc[::-1, ::-1])
    pd.testing.assert_series_equal(ranked(values).mean.sort_index(), other.mean.sort_index())
    assert other.num_apart == ranked(values).num_apart


def test_five_sets_tell_nothing_among_26_apart_and_it_is_said() -> None:
    found = ranked(table(5, 26))
    assert found.num_apart == 0
    assert found.said() == "CD = 17.79 of at most 25 ranks (Nemenyi, 26 on 5 sets, 5 %): no two of them are told apart"


def test_one_set_or_one_acquisition_is_not_tested() -> None:
    assert "nothing is tested" in ranked(table(1, 4)).said()
    assert "1 acquisition on 3 data sets: " in ranked(table(3, 1)).said()


def test_ranks_are_those_that_friedmans_test_compares() -> None:
    values = table(9, 4)
    k, n = 4, 9
    mean = ranked(values).mean.to_numpy()
    friedman = 12 * n / (k * (k + 1)) * (np.square(mean).sum() - k * (k + 1) ** 2 / 4)
    assert friedman == pytest.approx(stats.friedmanchisquare(*values.to_numpy().T).statistic)
