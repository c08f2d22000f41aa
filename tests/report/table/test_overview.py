import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from calrun.report.measure.cost import average_points
from calrun.report.read.runs import read
from calrun.report.table.overview import budget_figure, overview_figure, overview_points

MakeRun = Callable[..., Path]


def test_points_are_averaged_over_budgets_then_over_data_sets(make_run: MakeRun, tmp_path: Path) -> None:
    for dataset, gain in (("digits", 1.0), ("fmnist", 0.5)):
        make_run([0.5, 0.8], dataset=dataset, seconds=[10, 10])
        make_run([0.5 * gain, 0.8 * gain], dataset=dataset, method="cal_er", seconds=[10, 2])
        if dataset == "digits":
            make_run([0.5, 0.8], dataset=dataset, method="cal_sd")
    points = overview_points(read([tmp_path]).table)
    figure_3 = average_points(points, ["context", "method"]).set_index(["context", "method"])
    assert figure_3.loc[("fmnist, mlp", "cal_er"), "relative_accuracy"] == pytest.approx(0.5)
    assert figure_3.loc[("fmnist, mlp", "cal_er"), "time"] == pytest.approx((1 + 20 / 12) / 2)
    *by_context, overall = overview_figure(points).axes
    assert len(by_context) == 2
    assert sorted(text.get_text() for text in overall.texts) == ["AL", "CAL-ER"]  # CAL-SD lacks a data set


def test_the_mean_over_acquisitions_holds_only_methods_that_met_them_all(make_run: MakeRun, tmp_path: Path) -> None:
    for acquisition in ("entropy", "margin"):
        make_run([0.5, 0.8], acquisition=acquisition)
        make_run([0.5, 0.8], acquisition=acquisition, method="cal_er")
    make_run([0.5, 0.8], acquisition="margin", method="cal_sd")
    *fields, overall = overview_figure(overview_points(read([tmp_path]).table)).axes
    names = sorted(text.get_text() for text in overall.texts if text.get_text())
    assert names == ["AL", "CAL-ER"]  # CAL-SD lacks entropy
    assert [field.get_title(loc="left").split("\n")[1] for field in fields[:2]] == ["one seed each (n=1)"] * 2


def test_the_mean_over_data_sets_mixes_no_two_settings_of_a_method(make_run: MakeRun, tmp_path: Path) -> None:
    for dataset in ("digits", "fmnist"):
        make_run([0.5, 0.8], dataset=dataset)
        for alpha in (1, 2):
            leaves = {"method": {"alpha": alpha}}
            make_run([0.5, 0.8 - alpha / 100], dataset=dataset, method="cal_sd", tag=alpha, leaves=leaves)
    *_, overall = overview_figure(overview_points(read([tmp_path]).table)).axes
    names = sorted(text.get_text() for text in overall.texts if text.get_text())
    assert names == ["AL", "CAL-SD (alpha=1)", "CAL-SD (alpha=2)"]


def test_fields_bear_printed_names_and_their_ticks_do_not_touch(make_run: MakeRun, tmp_path: Path) -> None:
    for acquisition in ("balanced_random", "badge"):
        make_run([0.5, 0.8], acquisition=acquisition, seconds=[100, 100])
        make_run([0.5, 0.8], acquisition=acquisition, method="cal_er", seconds=[98, 93])
    figure = overview_figure(overview_points(read([tmp_path]).table))
    figure.draw_without_rendering()
    titles = [field.get_title(loc="left").split("\n")[0] for field in figure.axes]
    assert titles[:2] == ["digits, mlp, BADGE", "digits, mlp, balanced random"]
    low, high = figure.axes[0].get_xlim()
    ticks = [tick for tick in figure.axes[0].get_xticklabels() if low <= tick.get_position()[0] <= high]
    boxes = [tick.get_window_extent() for tick in ticks]
    assert len(boxes) > 1
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


def test_a_field_per_budget_is_averaged_over_the_data_sets_that_share_it(make_run: MakeRun, tmp_path: Path) -> None:
    for dataset, faster in (("digits", 2), ("fmnist", 4)):
        make_run([0.5, 0.8], dataset=dataset, seconds=[10, 10])
        make_run([0.5, 0.8], dataset=dataset, method="cal_er", seconds=[10 / faster, 10 / faster])
    make_run([0.5, 0.8, 0.9], dataset="fmnist", method="cal_sd")
    make_run([0.5, 0.8, 0.9], dataset="fmnist", seed=1)
    figure = budget_figure(overview_points(read([tmp_path]).table))
    assert figure is not None
    fields = [field for field in figure.axes if field.get_visible()]
    titles = [field.get_title(loc="left").split("\n")[0] for field in fields]
    assert titles == ["20 % of the pool, mean over 2"]  # 10 % is trained alike by all, 30 % is in fmnist alone
    for field in fields:
        places = {text.get_text(): text.xy[0] for text in field.texts if text.get_text()}  # type: ignore[attr-defined]
        assert places == {"AL": pytest.approx(1), "CAL-ER": pytest.approx(3)}  # CAL-SD lacks digits


def test_one_data_set_has_no_figure_over_data_sets(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.8])
    make_run([0.5, 0.8], method="cal_er")
    assert budget_figure(overview_points(read([tmp_path]).table)) is None


def test_fields_of_several_budget_plans_have_no_empty_mean_beside_them(make_run: MakeRun, tmp_path: Path) -> None:
    for step in (20, 40):
        for method in ("al", "cal_er"):
            make_run([0.5, 0.8], method=method, tag=step, leaves={"budget": {"step": step}})
    points = overview_points(read([tmp_path]).table)
    assert len(overview_figure(points).axes) == 2
    assert budget_figure(points) is None


def test_long_titles_end_before_the_next_field(make_run: MakeRun, tmp_path: Path) -> None:
    for acquisition in ("partitioned_badge_pooled", "balanced_random"):
        for method in ("al", "cal_er"):
            make_run(
                [0.5, 0.8], acquisition=acquisition, method=method, model="a_network_with_a_rather_long_name_of_its"
            )
    figure = overview_figure(overview_points(read([tmp_path]).table))
    figure.draw_without_rendering()
    titles = [field._left_title.get_window_extent() for field in figure.axes]  # type: ignore[attr-defined]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(titles))
