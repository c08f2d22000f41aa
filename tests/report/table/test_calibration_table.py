"""Calibration in a report: the table, the figure, and the curves of the page."""

from collections.abc import Callable
from pathlib import Path

import pytest

from calrun.report.draw.calibration import calibration_figure
from calrun.report.draw.panels import Panel, panels
from calrun.report.main import report
from calrun.report.read.runs import read
from calrun.report.table.calibration_table import calibration_tables
from tests.report.conftest import round_line


@pytest.fixture
def outputs(make_run: Callable[..., Path], tmp_path: Path) -> Path:
    """Two rounds of two methods; AL of two seeds, CAL-ER of one that recorded no Brier score."""
    for method, seed in (("al", 0), ("al", 1), ("cal_er", 0)):
        more = {"brier": 0.3 + 0.1 * seed} if method == "al" else {}
        tests = [{"test": {"accuracy": 0.9, "ece": ece + 0.02 * seed, **more}} for ece in (0.2, 0.1)]
        lines = [round_line(number, 0.0, test=test) for number, test in enumerate(tests, start=1)]
        make_run([], seed, lines=lines, method=method)
    return tmp_path / "outputs"


def only_panel(outputs: Path) -> Panel:
    (panel,) = panels(read([outputs]).table)
    return panel


def test_the_lowest_is_bold_and_what_was_not_recorded_is_a_dash(outputs: Path) -> None:
    (table,) = calibration_tables(only_panel(outputs))
    assert table.groups == [("", 2), ("test ECE in %", 2), ("test Brier score", 2)]
    by_line = {row[0].text: row[1:] for row in table.rows}
    assert [cell.text for cell in by_line["AL"]] == ["2", "21.0 ± 1.4", "11.0 ± 1.4", *["0.350 ± 0.071"] * 2]
    assert [cell.text for cell in by_line["CAL-ER"]] == ["1", "20.0", "10.0", "–", "–"]
    assert [cell.bold for cell in by_line["AL"]] == [False] * 5  # a column of one line alone says nothing
    assert [cell.bold for cell in by_line["CAL-ER"]] == [False, True, True, False, False]
    assert by_line["CAL-ER"][1].value == pytest.approx(20)


def test_the_figure_has_a_field_for_each_measure(outputs: Path) -> None:
    figure = calibration_figure(only_panel(outputs))
    assert figure is not None
    assert [axes.get_ylabel() for axes in figure.axes] == ["test ECE in %", "test Brier score"]
    assert [len(axes.lines) for axes in figure.axes] == [2, 1]
    assert sorted(line.get_ydata()[-1] for line in figure.axes[0].lines) == [pytest.approx(10), pytest.approx(11)]


def test_runs_without_any_have_neither(make_run: Callable[..., Path], tmp_path: Path) -> None:
    make_run([0.5, 0.6])
    panel = only_panel(tmp_path / "outputs")
    assert calibration_figure(panel) is None
    assert list(calibration_tables(panel)) == []


def test_a_report_writes_all_of_it(outputs: Path, tmp_path: Path) -> None:
    written = {path.name for path in report([outputs], tmp_path / "report").files}
    assert {"digits-mlp-entropy-calibration.csv", "digits-mlp-entropy-calibration.png"} <= written
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.count('data-source="ece-0"') == page.count('data-source="brier-0"') == 1
    assert "nll-0" not in page
