from collections.abc import Callable
from pathlib import Path

from calrun.report.draw.panels import panels
from calrun.report.measure.at_accuracy import at_accuracy_table
from calrun.report.read.runs import read

MakeRun = Callable[..., Path]


def rows_of(folder: Path) -> dict[str, list[str]]:
    (table,) = at_accuracy_table(next(panels(read([folder]).table)), "al")
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def test_time_to_the_first_round_as_good_as_the_baseline_at_each_budget(make_run: MakeRun, tmp_path: Path) -> None:
    for seed in (0, 1):
        make_run([0.5, 0.7, 0.6], seed=seed, seconds=[10, 20, 30])  # falls again: 60 % was reached after 30 s already
        make_run([0.6, 0.65, 0.8 if seed else 0.66], seed=seed, seconds=[5, 5, 5], method="cal_er")
        make_run([0.1, 0.2, 0.3], seed=seed, method="cal_sd")
    assert rows_of(tmp_path) == {
        "CAL-ER": ["2", "2.0×", "2.0× (n=1)", "6.0×"],
        "CAL-SD": ["2", "–", "–", "–"],
        "AL": ["2", "–", "1.0×", "1.0×"],
    }


def test_what_both_reach_in_a_first_round_trained_alike_is_no_speed_up(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.7], seconds=[10, 20])
    make_run([0.5, 0.8], seconds=[5, 5], method="cal_er")
    make_run([0.6, 0.8], seconds=[5, 5], method="lp_ft")
    assert rows_of(tmp_path) == {
        "CAL-ER": ["1", "–", "3.0×"],
        "LP-FT": ["1", "2.0×", "3.0×"],
        "AL": ["1", "–", "1.0×"],
    }


def test_without_any_ratio_there_is_no_table(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.7])
    make_run([0.5, 0.6], method="cal_er")
    assert list(at_accuracy_table(next(panels(read([tmp_path]).table)), "al")) == []


def test_two_settings_of_the_baseline_leave_no_accuracy_to_reach(make_run: MakeRun, tmp_path: Path) -> None:
    for alpha in (1, 2):
        make_run([0.5], tag=alpha, leaves={"method": {"alpha": alpha}})
    make_run([0.5], method="cal_er")
    assert list(at_accuracy_table(next(panels(read([tmp_path]).table)), "al")) == []
