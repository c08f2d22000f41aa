from collections.abc import Callable
from pathlib import Path

import numpy as np

from calrun.report.panels import Panel, panels
from calrun.report.plots import floor_of, forgetting_figure, learning_curves, save, speed_up_figure
from calrun.report.runs import read
from calrun.report.style import LOOKS

MakeRun = Callable[..., Path]


def panel_of(make_run: MakeRun, folder: Path) -> Panel:
    for seed in (0, 1):
        make_run([0.5, 0.80], seed=seed)
        make_run([0.5, 0.79], seed=seed, method="cal_er", seconds=[10, 5])
    return next(panels(read([folder]).table))


def test_curves_carry_their_names_and_fixed_colours(make_run: MakeRun, tmp_path: Path) -> None:
    (axes,) = learning_curves(panel_of(make_run, tmp_path)).axes
    names = {text.get_text(): text.get_color() for text in axes.texts}
    assert names == {"AL": LOOKS["al"].ink, "CAL-ER": LOOKS["cal_er"].ink}
    assert "n=2" in axes.get_title(loc="left")


def test_figures_are_saved_as_png_pdf_and_svg(make_run: MakeRun, tmp_path: Path) -> None:
    paths = save(speed_up_figure(panel_of(make_run, tmp_path)), tmp_path, "speed-up")
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
