"""The numbers of a matrix, by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from calrun.report.measure.power import detectable
from calrun.transfer.matrix import CHANCE, OWN, Matrix, height
from calrun.transfer.tables import difference_table, matrix_table, sentences

SIZES = (10, 20, 40)
CURVES = {  # (picks, trainer): an accuracy for each budget, for seeds 0, 1 and 2
    ("margin of a", "a"): [(0.5, 0.6, 0.8), (0.5, 0.7, 0.8), (0.4, 0.6, 0.7)],
    ("margin of b", "b"): [(0.3, 0.4, 0.5), (0.3, 0.4, 0.6), (0.3, 0.5, 0.6)],
    ("margin of a", "b"): [(0.3, 0.5, 0.7), (0.3, 0.5, 0.6), (0.3, 0.6, 0.8)],
    ("random of a and b", "b"): [(0.3, 0.3, 0.4), (0.3, 0.4, 0.5)],
}


@pytest.fixture
def matrix() -> Matrix:
    rows = [
        {"picks": picks, "trainer": trainer, "seed": seed, "labelled": labelled, "accuracy": value}
        for (picks, trainer), curves in CURVES.items()
        for seed, curve in enumerate(curves)
        for labelled, value in zip(SIZES, curve, strict=True)
    ]
    own = {"margin of a": {"a"}, "margin of b": {"b"}, "random of a and b": {"a", "b"}}
    rules = {"margin of a": "m", "margin of b": "m", "random of a and b": "r"}
    return Matrix(pd.DataFrame(rows), [*own], ["a", "b"], own, rules, ["random of a and b"], SIZES)


def test_a_curve_counts_by_the_labels_between_its_budgets() -> None:
    assert height(SIZES, np.array([0.5, 0.6, 0.8])) == pytest.approx((10 * 0.55 + 20 * 0.7) / 30)
    assert math.isnan(height(SIZES, np.array([0.5, 0.6, np.nan])))
    assert height((10,), np.array([0.5])) == 0.5


def test_a_trainer_is_compared_with_its_own_picks_of_the_same_acquisition(matrix: Matrix) -> None:
    (one,) = matrix.differences(OWN)
    assert (one.picks, one.trainer, one.against) == ("margin of a", "b", "margin of b")
    np.testing.assert_allclose(one.by_budget, [0.0, 0.1, 0.4 / 3])
    areas = [(10 * 0.05 + 20 * 0.15) / 30, (10 * 0.05 + 20 * 0.05) / 30, (10 * 0.05 + 20 * 0.15) / 30]
    np.testing.assert_allclose(one.areas, areas)
    assert one.p == pytest.approx(stats.ttest_1samp(areas, 0).pvalue)
    assert one.detectable == pytest.approx(np.std(areas, ddof=1) * detectable(3, 1))
    assert one.verdict == "open"  # t = 4.25 with two degrees of freedom


def test_random_picks_are_compared_with_over_the_seeds_that_both_have(matrix: Matrix) -> None:
    found = {(one.picks, one.trainer): one for one in matrix.differences(CHANCE)}
    assert {*found} == {("margin of a", "b"), ("margin of b", "b")}  # a has not trained on random picks
    one = found["margin of b", "b"]
    np.testing.assert_allclose(one.by_budget, [0.0, 0.05, 0.1])
    assert len(one.areas) == 2
    plain = [stats.ttest_1samp(each.areas, 0).pvalue for each in found.values()]
    assert sorted(each.p for each in found.values()) == pytest.approx([2 * min(plain), max(2 * min(plain), *plain)])
    assert one.detectable == pytest.approx(np.std(one.areas, ddof=1) * detectable(2, 2))


def test_a_single_seed_is_untested_and_said_to_be(matrix: Matrix) -> None:
    alone = Matrix(
        matrix.table[matrix.table["seed"] == 0], matrix.picks, matrix.trainers, matrix.own, matrix.rules, [], SIZES
    )
    found = alone.differences(OWN)
    assert [one.verdict for one in found] == ["untested"]
    assert [*sentences(OWN, found)] == [
        "b on the picks of margin of a: 11.7 points above its own picks (untested, n = 1: runs of more seeds tell)"
    ]
    assert alone.differences(CHANCE) == []


def test_the_tables_hold_means_deviations_and_what_could_be_told(matrix: Matrix) -> None:
    shown = [[cell.text for cell in row] for row in matrix_table(matrix).rows]
    assert shown[0] == ["margin of a", "65.0 ± 5.0 own", "55.0 ± 6.0"]
    assert shown[1][1] == "–"
    (row,) = difference_table(matrix, OWN, matrix.differences(OWN)).rows
    said = [cell.text for cell in row]
    assert said[:7] == ["margin of a", "b", "margin of b", "+0.0", "+10.0", "+13.3", "+9.4"]
    assert said[8:] == ["3", "12.6", "0.051", "open"]
