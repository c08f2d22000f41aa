from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from calrun.report.draw.panels import Panel, panels
from calrun.report.draw.plots import floor_of, forgetting_figure, learning_curves, save, speed_up_figure
from calrun.report.draw.style import STYLES
from calrun.report.read.runs import read

MakeRun = Callable[..., Path]


def panel_of(make_run: MakeRun, folder: Path) -> Panel:
    for seed in (0, 1):
        make_run([0.5, 0.80], seed=seed)
        make_run([0.5, 0.79], seed=seed, method="cal_er", seconds=[10, 5])
    return next(panels(read([folder]).table))


def speed_ups(panel: Panel) -> Figure:
    figure = speed_up_figure(panel)
    assert figure is not None
    return figure


def test_curves_carry_their_names_and_fixed_colours(make_run: MakeRun, tmp_path: Path) -> None:
    (axes,) = learning_curves(panel_of(make_run, tmp_path)).axes
    names = {text.get_text(): text.get_color() for text in axes.texts}
    assert names == {"AL": STYLES["al"].ink, "CAL-ER": STYLES["cal_er"].ink}
    assert "n=2" in axes.get_title(loc="left")


def test_one_seed_is_not_called_a_mean(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.8])
    make_run([0.5, 0.79], method="cal_er")
    panel = next(panels(read([tmp_path]).table))
    titles = [learning_curves(panel).axes[0].get_title(loc="left"), speed_ups(panel).get_suptitle()]
    assert all(title.endswith("one seed each (n=1)") for title in titles)


def test_many_names_leave_the_axis_to_the_accuracies(make_run: MakeRun, tmp_path: Path) -> None:
    for number in range(26):
        make_run([0.9, 0.98 + number / 10_000], acquisition=f"choice_{number}")
    panel = list(panels(read([tmp_path]).table))[-1]
    figure = learning_curves(panel)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert axes.get_ylim()[1] < 100
    boxes = sorted((Text.get_window_extent(text) for text in axes.texts), key=lambda box: float(box.y0))
    assert len(boxes) == 26
    assert all(below.y1 <= above.y0 + 1 for below, above in pairwise(boxes))
    assert boxes[0].y0 >= 0
    assert boxes[-1].y1 <= figure.bbox.y1


@pytest.mark.filterwarnings("error::UserWarning")  # a layout that finds no room
def test_long_names_of_settings_leave_room_for_the_curves_and_stay_inside(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.8])
    for mode, final in (("evaluation", 0.79), ("training", 0.7)):
        leaves = {"method": {"score_mode": mode, "selection": f"softmax_sample_while_{mode}"}}
        make_run([0.5, final], method="cal_mir", tag=mode, leaves=leaves)
    panel = next(panels(read([tmp_path]).table))
    for figure in (learning_curves(panel), speed_ups(panel)):
        figure.draw_without_rendering()
        for axes in figure.axes:
            assert axes.get_window_extent().width > 2 * figure.dpi
            boxes = [Text.get_window_extent(text) for text in axes.texts if text.get_text()]
            assert len(boxes) == 3
            assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 + 1 for box in boxes)


def test_a_mean_over_fewer_budgets_says_so(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.7, 0.8])
    make_run([0.5, 0.7], method="cal_er")
    left, right = speed_ups(next(panels(read([tmp_path]).table))).axes
    assert sorted(text.get_text() for text in left.texts if text.get_text()) == ["AL", "CAL-ER (1 of 2 budgets)"]
    assert sorted(text.get_text() for text in right.texts if text.get_text()) == ["AL", "CAL-ER"]
    titles = [axes.get_title(loc="left") for axes in (left, right)]
    assert titles == ["mean over 2 budgets", "at 200 labels"]  # the last that both reach


def test_a_first_round_trained_alike_is_no_seed_of_a_speed_up(make_run: MakeRun, tmp_path: Path) -> None:
    title = speed_ups(panel_of(make_run, tmp_path)).get_suptitle()
    assert title == "digits, mlp, entropy: means over paired seeds, n=2 seeds"


def test_a_line_looks_the_same_in_both_fields_though_one_lacks_its_siblings(make_run: MakeRun, tmp_path: Path) -> None:
    for step, budgets in ((20, (40, 60)), (40, (40, 80))):
        for method, seconds in (("al", 2.0), ("cal_er", 1.0)):
            lines = [
                {"round": number, "labelled": labelled, "seconds": {"fit": seconds}, "test": {"t": {"accuracy": 0.5}}}
                for number, labelled in enumerate(budgets, start=1)
            ]
            make_run([], lines=lines, method=method, tag=step, leaves={"budget": {"step": step}})
    left, right = speed_ups(next(panels(read([tmp_path]).table))).axes
    styles = [{(line.get_color(), line.get_marker()) for line in axes.lines} for axes in (left, right)]
    assert len(styles[0]) == 1 + 4
    assert len(styles[1]) == 1 + 2
    assert styles[1] < styles[0]


def test_without_a_pair_there_is_no_figure_of_speed_ups(make_run: MakeRun, tmp_path: Path) -> None:
    for epochs in (2, 4):
        for method in ("al", "cal_er"):
            make_run([0.5, 0.8], method=method, tag=epochs, leaves={"trainer": {"max_epochs": epochs}})
    assert speed_up_figure(next(panels(read([tmp_path]).table))) is None


def test_the_axis_of_curves_spans_single_runs_but_no_line_that_falls_out(make_run: MakeRun, tmp_path: Path) -> None:
    for seed, start in enumerate((0.4, 0.5, 0.6)):
        for method in ("al", "cal_er", "cal_der"):
            make_run([start, 0.9], seed=seed, method=method)
        make_run([start, 0.1], seed=seed, method="finetune_new")
    low, high = learning_curves(next(panels(read([tmp_path]).table))).axes[0].get_ylim()
    assert 30 < low < 40
    assert 90 < high < 100


def test_figures_are_saved_as_png_pdf_and_svg(make_run: MakeRun, tmp_path: Path) -> None:
    paths = save(speed_ups(panel_of(make_run, tmp_path)), tmp_path, "speed-up")
    assert [path.suffix for path in paths] == [".png", ".pdf", ".svg"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert "CAL-ER" in paths[2].read_text()


def test_a_far_outlier_is_cut_off_and_close_points_are_not() -> None:
    assert 88.0 < floor_of(np.array([90.0, 89.5, 89.0, 60.0])) < 89.0
    assert floor_of(np.array([90.0, 88.0, 86.0, 84.0])) == -np.inf
    assert floor_of(np.array([90.0])) == -np.inf


def test_heat_map_writes_every_recorded_accuracy() -> None:
    figure = forgetting_figure("toy", [("CAL-ER", np.array([[0.9, np.nan], [0.5, 0.8]]))])
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["50", "80", "90"]


def test_many_forgetting_matrices_stand_in_rows_of_four() -> None:
    figure = forgetting_figure("toy", [(f"method {number}", np.eye(5)) for number in range(6)])
    assert [axes.get_title(loc="left") for axes in figure.axes] == [f"method {number}" for number in range(6)]
    assert figure.get_figwidth() < 13
