from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from calrun.report.measure.efficiency import (
    best_efficiency,
    cost_at_equal_accuracy,
    equivalent_labels,
    labels_to_reach,
    mean_saving,
)
from calrun.report.read.runs import read

MakeRun = Callable[..., Path]
LABELS = np.array([100.0, 200.0, 300.0])


def test_labels_are_interpolated_between_rounds() -> None:
    assert labels_to_reach(LABELS, np.array([0.5, 0.7, 0.9]), 0.75) == pytest.approx(225)
    assert labels_to_reach(LABELS, np.array([0.5, 0.7, 0.9]), 0.5) == 100


def test_a_curve_that_falls_again_counts_its_first_crossing() -> None:
    assert labels_to_reach(LABELS, np.array([0.5, 0.9, 0.8]), 0.85) == pytest.approx(187.5)


def test_outside_the_curve_nothing_is_guessed() -> None:
    assert np.isnan(labels_to_reach(LABELS, np.array([0.5, 0.7, 0.9]), 0.95))
    assert np.isnan(labels_to_reach(LABELS, np.array([0.5, 0.7, 0.9]), 0.4))


def test_equivalent_labels_saving_and_efficiency_by_hand(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6, 0.7, 0.8], acquisition="random")
    make_run([0.5, 0.7, 0.9], acquisition="entropy")
    result = equivalent_labels(read([tmp_path]).table).set_index("labelled")
    np.testing.assert_allclose(result["equivalent"], [100, 300, np.nan])
    np.testing.assert_allclose(result["saving"], [0.0, 1 / 3, np.nan])
    np.testing.assert_allclose(result["efficiency"], [1.0, 1.5, np.nan])
    assert result.loc[300, "at_least"] == 400
    mean = mean_saving(result.reset_index())
    assert mean[["saving", "rounds", "of_rounds"]].iloc[0].tolist() == [pytest.approx(1 / 6), 2, 3]


def test_what_random_reached_before_it_fell_has_a_number_and_no_lower_bound(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.9, 0.6], acquisition="random")
    make_run([0.7], acquisition="entropy")
    (row,) = equivalent_labels(read([tmp_path]).table).to_dict("records")
    assert row["equivalent"] == pytest.approx(150)
    assert np.isnan(row["at_least"])


def test_a_run_without_its_random_partner_has_no_ratio(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.7], acquisition="random", seed=1)
    make_run([0.5, 0.7], acquisition="entropy", seed=0)
    assert equivalent_labels(read([tmp_path]).table)["efficiency"].isna().all()


def test_overall_cost_to_reach_what_random_ends_with(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6, 0.7], acquisition="random", seconds=[3600, 3600, 3600])
    make_run([0.5, 0.9], acquisition="entropy", seconds=[3600, 7200])
    result = cost_at_equal_accuracy(read([tmp_path]).table, label_price=0.1, hour_price=10).set_index("acquisition")
    assert result.loc["random", "cost_ratio"] == pytest.approx(1.0)
    assert result.loc["entropy", "cost"] == pytest.approx((20 + 50) / 2)
    assert result.loc["entropy", "cost_ratio"] == pytest.approx(35 / 60)


def test_efficiency_at_randoms_best_accuracy_by_hand(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6, 0.8, 0.7], acquisition="random")
    make_run([0.5, 0.7, 0.9], acquisition="entropy")
    make_run([0.5, 0.6, 0.7], acquisition="badge")
    make_run([0.5, 0.9], acquisition="entropy", seed=1)
    result = best_efficiency(read([tmp_path]).table).set_index(["acquisition", "seed"])
    assert result.loc[("entropy", 0), ["target", "efficiency"]].tolist() == [0.8, pytest.approx(300 / 250)]
    assert result.loc[("badge", 0), "target"] == 0.8
    assert result["efficiency"].isna()["badge", 0]  # never reaches it
    assert result["efficiency"].isna()["entropy", 1]  # has no partner


def test_a_run_is_compared_with_random_of_its_own_setting(make_run: MakeRun, tmp_path: Path) -> None:
    for lr, accuracy in ((0.1, 0.6), (0.2, 0.9)):
        leaves = {"optimizer": {"lr": lr}}
        make_run([0.5, accuracy], acquisition="random", leaves=leaves, tag=f"r{lr}")
        make_run([0.5, accuracy], acquisition="entropy", leaves=leaves, tag=f"e{lr}")
    make_run([0.5, 0.6], acquisition="badge")  # of which random is meant is open
    result = best_efficiency(read([tmp_path]).table).set_index(["acquisition", "variant"])["efficiency"]
    assert result["entropy"].to_dict() == {"lr=0.1": 1.0, "lr=0.2": 1.0}
    assert result["badge"].isna().all()


def test_runs_on_other_rows_or_labels_are_never_compared(make_run: MakeRun, tmp_path: Path) -> None:
    for factor in (2, 20):
        leaves = {"row_transform": {"factor": factor}}
        make_run([0.5, 0.6], acquisition="random", leaves=leaves, tag=f"r{factor}")
        make_run([0.5, 0.6], acquisition="badge", leaves=leaves, tag=f"b{factor}")
    make_run([0.5, 0.6], acquisition="random", leaves={"oracle": {"rate": 0.2}}, tag="noisy")
    table = read([tmp_path]).table
    assert table["panel"].nunique() == 3
    assert best_efficiency(table)["efficiency"].tolist() == [1.0, 1.0]
