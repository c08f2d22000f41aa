from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from calrun.report.draw.panels import Panel, panels
from calrun.report.draw.plots import learning_curves
from calrun.report.main import report
from calrun.report.read.runs import read
from calrun.report.table.iou_table import by_iou, iou_tables
from tests.report.conftest import round_line


@pytest.fixture
def outputs(make_run: Callable[..., Path], tmp_path: Path) -> Path:
    """Two rounds of two seeds; class 1 occurs in the second seed alone."""
    for seed in (0, 1):
        for name, gain in (("random", 0.0), ("margin", 0.1)):
            disc = {"iou/1": 0.2} if seed else {}
            ious = [first + gain + 0.02 * seed for first in (0.3, 0.5)]
            tests = [{"test": {"accuracy": 0.9, "mean_iou": iou, "iou/0": iou, **disc}} for iou in ious]
            lines = [round_line(number, 0.0, test=test) for number, test in enumerate(tests, start=1)]
            make_run([], seed, lines=lines, acquisition=name, leaves={"class_names": ["ground", "disc"]})
    return tmp_path / "outputs"


def only_panel(outputs: Path) -> Panel:
    (panel,) = panels(read([outputs]).table)
    return panel


def test_mean_iou_by_budget_and_iou_of_each_class_at_the_last(outputs: Path) -> None:
    means, classes = iou_tables(only_panel(outputs), ["ground", "disc"])
    assert means.columns == ["acquisition", "n", "100\n10 %", "200\n20 %"]
    assert means.groups[1] == ("test mean IoU in %", 2)
    assert [[cell.text for cell in row] for row in means.rows] == [
        ["margin", "2", "41.0 ± 1.4", "61.0 ± 1.4"], ["random", "2", "31.0 ± 1.4", "51.0 ± 1.4"]
    ]  # fmt: skip
    assert [row[2].bold for row in means.rows] == [True, False]
    assert classes.columns == ["acquisition", "n", "ground", "disc"]
    assert [cell.text for cell in classes.rows[0]] == ["margin", "2", "61.0 ± 1.4", "20.0 (n=1)"]


def test_curves_are_drawn_of_it(outputs: Path) -> None:
    measured = by_iou(only_panel(outputs))
    assert measured is not None
    (axes,) = learning_curves(measured).axes
    assert axes.get_ylabel() == "test mean IoU in %"
    assert sorted(line.get_ydata()[-1] for line in axes.lines) == [pytest.approx(51), pytest.approx(61)]


def test_runs_of_rows_have_none(make_run: Callable[..., Path], tmp_path: Path) -> None:
    make_run([0.5, 0.6])
    (panel,) = panels(read([tmp_path / "outputs"]).table)
    assert by_iou(panel) is None
    assert list(iou_tables(panel)) == []


def test_a_report_writes_both(outputs: Path, tmp_path: Path) -> None:
    report([outputs], tmp_path / "report")
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert "digits-mlp-al-acquisitions-mean-iou-curves.png" in names
    written = pd.read_csv(tmp_path / "report" / "digits-mlp-al-acquisitions-class-iou.csv")
    assert "disc" in str(list(written.columns))
