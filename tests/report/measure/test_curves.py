from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from calrun.report.measure.curves import (
    LINE,
    accuracy_by_budget,
    area_under_budget_curve,
    floor_of_curves,
    last_common_budget,
    mean_height,
)
from calrun.report.read.runs import read

MakeRun = Callable[..., Path]


def test_mean_and_sample_deviation_over_the_seeds_that_reached_a_budget(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.7], seed=0)
    make_run([0.6, 0.9], seed=1)
    make_run([0.7], seed=5, state="failed")
    summary = accuracy_by_budget(read([tmp_path]).table)
    np.testing.assert_allclose(summary["mean"], [0.6, 0.8])
    np.testing.assert_allclose(summary["std"], [0.1, 0.2 / 2**0.5])
    assert summary["seeds"].tolist() == [(0, 1, 5), (0, 1)]


def test_one_seed_has_no_deviation(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5])
    summary = accuracy_by_budget(read([tmp_path]).table)
    assert summary["n"].item() == 1
    assert np.isnan(summary["std"].item())


def test_mean_height_is_the_trapezoid_area_over_its_width() -> None:
    assert mean_height(np.array([0.0, 1.0, 3.0]), np.array([0.0, 1.0, 1.0]), 0.0, 3.0) == 2.5 / 3
    assert mean_height(np.array([0.0, 2.0]), np.array([0.0, 1.0]), 1.0, 2.0) == 0.75
    assert mean_height(np.array([0.0, 1.0, 3.0, 4.0]), np.array([0.0, 1.0, 1.0, 0.0]), 0.0, 2.0) == 0.75
    assert np.isnan(mean_height(np.array([0.0, 1.0]), np.array([0.0, 1.0]), 0.0, 2.0))


def test_areas_are_taken_over_the_budgets_all_lines_share_and_a_dead_run_shortens_none(
    make_run: MakeRun, tmp_path: Path
) -> None:
    make_run([0.5, 0.7, 0.9])
    make_run([0.5, 0.7], method="cal_er")
    make_run([0.5], seed=1, state="failed")
    areas = area_under_budget_curve(read([tmp_path]).table).sort_values("method")
    np.testing.assert_allclose(areas["area"], [0.6, np.nan, 0.6])


def of_lines(**means: list[float]) -> pd.DataFrame:
    rows = [
        ("c", "entropy", name, "", 100 * (place + 1), mean)
        for name, own in means.items()
        for place, mean in enumerate(own)
    ]
    return pd.DataFrame(rows, columns=[*LINE, "labelled", "mean"])


def floor_over_one_seed(**means: list[float]) -> float:
    summary = of_lines(**means)
    return floor_of_curves(summary, summary.rename(columns={"mean": "accuracy"}))


def test_a_line_far_below_the_others_and_a_dip_do_not_set_the_axis() -> None:
    good = {"a": [0.5, 0.8, 0.9], "b": [0.5, 0.81, 0.91], "c": [0.5, 0.79, 0.9]}
    assert floor_over_one_seed(**good) == -np.inf
    assert 0.45 < floor_over_one_seed(**good, d=[0.1, 0.1, 0.1]) < 0.5
    assert 0.45 < floor_over_one_seed(**good, d=[0.5, 0.1, 0.9]) < 0.5


def test_the_last_common_budget_is_the_last_of_those_that_most_lines_reach() -> None:
    assert last_common_budget(of_lines(a=[0.1, 0.2, 0.3], b=[0.1, 0.2], c=[0.1, 0.2])) == 200
