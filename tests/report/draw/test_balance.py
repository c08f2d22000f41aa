"""Imbalance ratio and label entropy by labels (Emam et al. 2021, Figures 2c, 2d and 6)."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from calrun.report.draw.balance import balance_figure
from calrun.report.draw.panels import Panel, panels
from calrun.report.read.runs import read

MakeRun = Callable[..., Path]


def panel_of(folder: Path, rows: str) -> Panel:
    return next(panel for panel in panels(read([folder]).table) if panel.rows == rows)


def test_both_measures_are_drawn_where_they_are_known(make_run: MakeRun, tmp_path: Path) -> None:
    counts = {"margin": [[20, 0], [30, 10]], "random": [[10, 10], [20, 20]]}
    for name, own in counts.items():
        lines = [
            {"round": number, "labelled": sum(each), "seconds": {"fit": 1.0}, "device": "cpu"}
            | {"test": {"test": {"accuracy": 0.5}}, "class_counts": each}
            for number, each in enumerate(own, start=1)
        ]
        make_run([], lines=lines, acquisition=name)
    figure = balance_figure(panel_of(tmp_path, "acquisition"))
    assert figure is not None
    ratios, entropies = ([np.asarray(line.get_ydata()) for line in axes.lines] for axes in figure.axes)
    np.testing.assert_allclose(ratios, [[math.nan, 3.0], [1.0, 1.0]])  # margin, then random
    np.testing.assert_allclose(entropies, [[0.0, 0.5623351], [math.log(2)] * 2], atol=1e-6)


def test_methods_and_single_budgets_have_none(make_run: MakeRun, tmp_path: Path) -> None:
    for name in ("margin", "random"):
        make_run([0.5], acquisition=name, folder=name)
    assert balance_figure(panel_of(tmp_path, "acquisition")) is None
    make_run([0.5, 0.6], acquisition="margin", method="cal_er", folder="other")
    assert balance_figure(panel_of(tmp_path, "method")) is None
