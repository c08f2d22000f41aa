from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from calrun.report.measure.cost import average_points, mean_speed_up, overall_cost, speed_up, speed_up_at_accuracy
from calrun.report.read.runs import read

MakeRun = Callable[..., Path]


def of_method(frame: pd.DataFrame, method: str) -> pd.DataFrame:
    return frame[frame["method"] == method]


def test_speed_up_is_cumulative_and_paired_by_seed(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.8], seed=0, seconds=[10, 30])
    make_run([0.5, 0.8], seed=1, seconds=[20, 60])
    make_run([0.5, 0.8], seed=0, seconds=[10, 10], method="cal_er")
    make_run([0.5, 0.8], seed=1, seconds=[20, 60], method="cal_er")
    mean = of_method(mean_speed_up(read([tmp_path]).table), "cal_er")
    np.testing.assert_allclose(mean["time"], [np.nan, (40 / 20 + 80 / 80) / 2])
    np.testing.assert_allclose(mean["steps"], [np.nan, 1.0])
    assert mean["time_n"].tolist() == [0, 2]


def test_a_first_round_that_both_train_alike_has_no_ratio_and_another_has(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.8], seconds=[10, 30])
    make_run([0.5, 0.8], seconds=[9, 30], method="cal_er")
    make_run([0.6, 0.8], seconds=[5, 30], method="lp_ft")
    first = speed_up(read([tmp_path]).table).set_index(["method", "labelled"])["time"].xs(100, level="labelled")
    assert first.dropna().to_dict() == {"lp_ft": 2.0}


def test_what_the_baseline_lacks_has_no_ratio(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.6], seed=0)
    make_run([0.5, 0.8], seed=0, method="cal_er")
    make_run([0.5, 0.8], seed=1, method="cal_er")
    make_run([0.5, 0.8], seed=0, method="cal_er", acquisition="margin")
    mean = of_method(mean_speed_up(read([tmp_path]).table), "cal_er")
    assert mean.set_index(["acquisition", "labelled"])["time_n"].to_dict() == {
        ("entropy", 100): 1,
        ("entropy", 200): 0,
        ("margin", 100): 0,
        ("margin", 200): 0,
    }
    assert mean["time"].isna().sum() == 3


def test_times_of_different_devices_are_not_compared_but_steps_are(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.6], kwh=[1.0])
    other = make_run([0.5], method="cal_er", kwh=[1.0])
    path = other / "rounds.jsonl"
    path.write_text(path.read_text().replace('"device": "cpu"', '"device": "another"'))
    row = of_method(speed_up(read([tmp_path]).table), "cal_er")
    assert np.isnan(row[["time", "energy"]].to_numpy(float)).all()
    assert row["steps"].item() == 1.0


def test_samples_are_those_with_a_gradient(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.6])
    path = make_run([0.5], method="cal_er") / "rounds.jsonl"
    path.write_text(path.read_text().replace('"samples_backward": 1000', '"samples_backward": 500'))
    assert of_method(speed_up(read([tmp_path]).table), "cal_er")["samples"].item() == 2.0


def test_two_variants_of_the_baseline_pair_with_nothing(make_run: MakeRun, tmp_path: Path) -> None:
    for lr in (0.1, 0.2):
        make_run([0.5], tag=lr, leaves={"optimizer": {"lr": lr}})
    make_run([0.5], method="cal_er")
    assert of_method(speed_up(read([tmp_path]).table), "cal_er")["time"].isna().all()


def test_speed_up_at_accuracy_takes_the_first_round_that_reaches_it(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.85, 0.7, 0.9], seconds=[1, 1, 1, 1])  # non-monotone: reached in round 2
    make_run([0.8, 0.8, 0.8, 0.8], seconds=[0.25, 1, 1, 1], method="cal_er")
    make_run([0.1, 0.2, 0.3, 0.4], method="never")
    result = speed_up_at_accuracy(read([tmp_path]).table, 0.8).set_index("method")["time"]
    assert result["cal_er"] == 8.0
    assert result["al"] == 1.0
    assert np.isnan(result["never"])


def test_figure_points_average_over_what_is_not_named() -> None:
    points = pd.DataFrame(
        {"dataset": ["a", "a", "b"], "method": ["m"] * 3, "relative_accuracy": [1.0, 0.8, 1.1], "time": [1, 3, 5]}
    )
    figure_3 = average_points(points, ["dataset", "method"])
    np.testing.assert_allclose(figure_3["relative_accuracy"], [0.9, 1.1])
    figure_1 = average_points(figure_3, ["method"])
    np.testing.assert_allclose(figure_1[["relative_accuracy", "time"]], [[1.0, 3.5]])


def test_overall_cost_is_labels_times_price_plus_training() -> None:
    table = pd.DataFrame({"labelled": [100], "cumulative_fit_seconds": [7200.0]})
    assert overall_cost(table, label_price=0.05, hour_price=3.0).item() == 100 * 0.05 + 2 * 3.0


def test_speed_up_by_energy_adds_up_rounds_and_is_unknown_once_a_round_is(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5] * 3, kwh=[1.0, 3.0, None])
    make_run([0.5] * 3, kwh=[1.0, 1.0, 1.0], method="cal_er")
    mean = of_method(mean_speed_up(read([tmp_path]).table), "cal_er")
    np.testing.assert_allclose(mean["energy"], [np.nan, 2.0, np.nan])
    assert mean["energy_n"].tolist() == [0, 1, 0]
