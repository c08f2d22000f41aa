from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from calrun.report.draw.panels import panels
from calrun.report.draw.plots import learning_curves
from calrun.report.main import report
from calrun.report.read.runs import read
from calrun.report.table.full_row import with_full_training
from calrun.report.table.tables import comparison
from tests.report.conftest import round_line

LIST = {"class_names": ["zero", "one"], "budget": {"_target_": "calrun.budget.explicit.Explicit", "labels": [1.0]}}
NAMES = {"class_names": ["zero", "one"]}
STEPS = NAMES | {"budget": {"_target_": "calrun.budget.counts.Counts", "start": 100}}


@pytest.fixture
def make_full(make_run: Callable[..., Path]) -> Callable[..., Path]:
    """A run that trained once, on all 1,000 labels."""

    def make(accuracy: float, seed: int, **more: Any) -> Path:
        lines = [round_line(1, accuracy, labelled=1000, labelled_fraction=1.0)]
        return make_run([], seed, lines=lines, acquisition="random", leaves=LIST, tag=f"full{more}", **more)

    return make


@pytest.fixture
def outputs(make_run: Callable[..., Path], make_full: Callable[..., Path], tmp_path: Path) -> Path:
    for seed in (0, 1):
        make_run([0.5, 0.6, 0.7], seed, acquisition="random", leaves=STEPS)
        make_run([0.5, 0.7, 0.8], seed, acquisition="entropy", leaves=STEPS)
        make_full(0.90 + 0.02 * seed, seed)
    return tmp_path / "outputs"


def test_full_training_is_no_line_and_changes_no_name(outputs: Path) -> None:
    runs = read([outputs])
    assert runs.table["labelled"].max() == 300
    assert set(runs.table["variant"]) == {""}
    assert set(runs.table["context"]) == {"digits, mlp"}
    assert runs.full[["panel", "method", "accuracy"]].to_numpy().tolist() == [
        ["digits, mlp", "al", pytest.approx(0.90)], ["digits, mlp", "al", pytest.approx(0.92)]
    ]  # fmt: skip
    assert len(runs.folders) == 6


def test_the_table_has_a_row_and_a_column_for_it(outputs: Path) -> None:
    runs = read([outputs])
    (panel,) = panels(runs.table, runs.full)
    plain, table = comparison(panel), with_full_training(comparison(panel), panel)
    at = table.columns.index("1,000\n100 %")
    assert table.groups[2] == ("full training", 1)
    assert [cell.text for cell in table.rows[-1]][:2] == ["full training", "2"]
    assert table.rows[-1][at].text == "91.0 ± 1.4"
    assert all(cell.text == "–" for place, cell in enumerate(table.rows[-1]) if place not in (0, 1, at))
    assert [row[:at] + row[at + 1 :] for row in table.rows[:-1]] == plain.rows
    assert sum(count for _, count in table.groups) == len(table.columns) == len(table.rows[0])


def test_the_curves_have_a_constant_line_with_mean_and_deviation(outputs: Path) -> None:
    runs = read([outputs])
    (panel,) = panels(runs.table, runs.full)
    (axes,) = learning_curves(panel).axes
    constant = [line for line in axes.lines if line.get_ydata()[0] == pytest.approx(91.0)]
    assert len(constant) == 1
    assert axes.get_ylim()[1] > 91.0
    assert axes.get_xlim()[1] < 320  # the labels of full training do not stretch the axis
    assert "full training: 91.0 ± 1.4, n=2" in [text.get_text() for text in axes.texts]


def test_alone_it_is_a_run_like_any(make_full: Callable[..., Path], tmp_path: Path) -> None:
    make_full(0.9, 0)
    runs = read([tmp_path / "outputs"])
    assert runs.full.empty
    assert runs.table["labelled"].tolist() == [1000]


def test_a_run_that_ends_with_all_labels_is_a_curve(make_run: Callable[..., Path], tmp_path: Path) -> None:
    make_run([], lines=[round_line(1, 0.5), round_line(2, 0.9, labelled=1000, labelled_fraction=1.0)])
    assert read([tmp_path / "outputs"]).full.empty


def test_two_kinds_of_full_training_are_told_apart(
    outputs: Path, make_run: Callable[..., Path], make_full: Callable[..., Path]
) -> None:
    for seed in (0, 1):
        make_run([0.5, 0.6, 0.7], seed, acquisition="random", method="cal_er", leaves=STEPS)
        make_full(0.8, seed, method="cal_er")
    runs = read([outputs])
    of_random = next(
        panel for panel in panels(runs.table, runs.full) if panel.rows == "method" and panel.fixed == "random"
    )
    assert [(name, own["n"]) for name, own in of_random.full_training()] == [
        ("full training (AL)", 2), ("full training (CAL-ER)", 2)
    ]  # fmt: skip


def test_of_another_network_it_stands_apart(outputs: Path, make_run: Callable[..., Path]) -> None:
    other = LIST | {"model": {"width": 9}}
    lines = [round_line(1, 0.99, labelled=1000, labelled_fraction=1.0)]
    make_run([], lines=lines, acquisition="random", leaves=other, model="cnn", tag="other")
    runs = read([outputs])
    assert set(runs.full["panel"]) == {"digits, mlp"}
    assert set(runs.table["panel"]) == {"digits, mlp", "digits, cnn"}


def test_a_report_says_it_everywhere(outputs: Path, tmp_path: Path) -> None:
    report([outputs], tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text()
    assert '"full":[{"label":"full training","mean":0.91' in page
    assert "Full training: trained once, on all labels" in page
    written = pd.read_csv(tmp_path / "report" / "full-training.csv")
    assert written["mean"].tolist() == [pytest.approx(0.91)]
    assert len(pd.read_csv(tmp_path / "report" / "runs.csv")) == 14
