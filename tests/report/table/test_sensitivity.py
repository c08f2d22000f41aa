import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from calrun.report.draw.panels import panels
from calrun.report.main import report
from calrun.report.read.runs import read
from calrun.report.table.sensitivity import Grid, grid_table, grids, sensitivity_grid
from calrun.report.table.tables import Table

MakeRun = Callable[..., Path]


def grids_of(folder: Path) -> list[Grid]:
    runs = read([folder])
    return [grid for panel in panels(runs.table) for grid in grids(panel, runs.configurations)]


def texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def bold(table: Table) -> list[str]:
    return [cell.text for row in table.rows for cell in row if cell.bold]


def with_leaves(
    make_run: MakeRun, accuracies: list[float], method: str = "cal_sd", seed: int = 0, **leaves: Any
) -> None:
    make_run(accuracies, seed=seed, method=method, tag=str(leaves), leaves={"method": leaves})


def test_grid_over_two_keys(make_run: MakeRun, tmp_path: Path) -> None:
    for sigma in (0.1, 1):
        for weight in (1, 5):
            for seed in (0, 1):
                with_leaves(make_run, [sigma / 10 + seed / 10], seed=seed, sigma=sigma, weight=weight)
    runs = read([tmp_path])
    cells = sensitivity_grid(runs.table, runs.configurations, ("method.sigma", "method.weight"))
    assert cells["n"].tolist() == [2] * 4
    assert cells["mean"].tolist() == pytest.approx([0.06, 0.06, 0.15, 0.15])
    assert cells["labelled"].tolist() == [100] * 4


def test_what_else_differs_is_not_averaged_away(make_run: MakeRun, tmp_path: Path) -> None:
    for weight in (1, 5):
        with_leaves(make_run, [0.5], sigma=1, weight=weight)
    runs = read([tmp_path])
    with pytest.raises(ValueError, match="add the other key"):
        sensitivity_grid(runs.table, runs.configurations, ("method.sigma",))


def test_one_key_gives_a_row_per_value_and_the_budgets_across(make_run: MakeRun, tmp_path: Path) -> None:
    """Table 9: rows in the order of the values, not of their names; the best of each budget in bold."""
    for alpha, last in ((0.75, 0.9358), (0.1, 0.9379), (10, 0.939)):
        for seed in (0, 1):
            with_leaves(make_run, [0.5, last + seed / 100], seed=seed, alpha=alpha)
    with_leaves(make_run, [0.4], alpha=100)
    (grid,) = grids_of(tmp_path)
    table = grid_table(grid)
    assert table.title == "digits, mlp, entropy: CAL-SD over alpha"
    assert table.columns == ["alpha", "n", "100\n10 %", "200\n20 %"]
    assert texts(table) == [
        ["0.1", "2", "50.00 ± 0.00", "94.29 ± 0.71"],
        ["0.75", "2", "50.00 ± 0.00", "94.08 ± 0.71"],
        ["10", "2", "50.00 ± 0.00", "94.40 ± 0.71"],
        ["100", "1", "40.00", "–"],
    ]
    assert bold(table) == ["50.00 ± 0.00", "50.00 ± 0.00", "50.00 ± 0.00", "94.40 ± 0.71"]


def test_two_keys_give_a_square_at_the_last_budget_with_one_best(make_run: MakeRun, tmp_path: Path) -> None:
    """Table 10: the key with fewer values down; a missing combination stays empty, a cell with fewer seeds says so."""
    for sigma in (0.1, 1):
        for weight in (0.1, 5, 10):
            for seed in (0, 1):
                if (sigma, weight) != (1, 10) and (sigma, weight, seed) != (1, 5, 1):
                    with_leaves(make_run, [0.3, sigma / 10 + weight / 20], seed=seed, sigma=sigma, weight=weight)
    (grid,) = grids_of(tmp_path)
    table = grid_table(grid)
    assert table.groups == [("", 1), ("test accuracy in % by weight", 3)]
    assert table.columns == ["sigma", "0.1", "5", "10"]
    assert texts(table) == [
        ["0.1", "1.50 ± 0.00", "26.00 ± 0.00", "51.00 ± 0.00"],
        ["1", "10.50 ± 0.00", "35.00 (n=1)", "–"],
    ]
    assert bold(table) == ["51.00 ± 0.00"]
    assert "At 200 labels" in table.notes[0]
    assert "n=1–2 seeds" in table.notes[0]


def test_a_key_that_another_follows_is_one_axis(make_run: MakeRun, tmp_path: Path) -> None:
    """A recipe may set one value from another: trainer.max_epochs is the epochs of the stopping rules too."""
    for epochs in (2, 4):
        leaves = {"trainer": {"max_epochs": epochs}, "method": {"stop": {"epochs": epochs, "name": f"{epochs} epochs"}}}
        leaves["stop"] = {"max_epochs": epochs}
        make_run([0.5], tag=epochs, leaves=leaves)
    (grid,) = grids_of(tmp_path)
    assert grid.keys == ("trainer.max_epochs",)
    assert grid_table(grid).notes[1] == "Changing along: method.stop.name."


@pytest.mark.parametrize(
    "leaves",
    [
        [{"a": 1}, {"a": 1}],
        [{"a": "x"}, {"a": "y"}],
        [{"a": True}, {"a": False}],
        [{"a": 1}, {"a": None}],
        [{"a": 1, "b": 1, "c": 1}, {"a": 2, "b": 1, "c": 1}, {"a": 1, "b": 2, "c": 1}, {"a": 1, "b": 1, "c": 2}],
        [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}, {"a": 1, "b": "y"}],
    ],
)
def test_other_differences_make_no_grid(make_run: MakeRun, tmp_path: Path, leaves: list[dict[str, Any]]) -> None:
    for number, own in enumerate(leaves):
        make_run([0.5], seed=number, tag=number, leaves={"method": own})
    assert grids_of(tmp_path) == []


def test_each_method_has_its_own_grid_and_no_other_method_is_in_it(make_run: MakeRun, tmp_path: Path) -> None:
    for value in (1, 2):
        with_leaves(make_run, [0.5], method="cal_sd", alpha=value)
        with_leaves(make_run, [0.9], method="cal_sds2", sigma=value)
    make_run([0.95])
    found = grids_of(tmp_path)
    assert [(grid.method, grid.keys) for grid in found] == [
        ("cal_sd", ("method.alpha",)),
        ("cal_sds2", ("method.sigma",)),
    ]
    assert [row[2] for row in texts(grid_table(found[0]))] == ["50.00", "50.00"]


def test_report_writes_grids_in_every_form(make_run: MakeRun, tmp_path: Path) -> None:
    for alpha in (0.1, 0.25):
        with_leaves(make_run, [0.5, 0.8 + alpha / 100], alpha=alpha)
    printed = io.StringIO()
    out = tmp_path / "report"
    report([tmp_path / "outputs"], out, console=Console(file=printed))
    assert "CAL-SD over alpha" in printed.getvalue()
    name = "digits-mlp-entropy-cal_sd-over-alpha"
    assert "| 0.25 | 1 | 50.00 | **80.25** |" in (out / f"{name}.md").read_text()
    assert r"0.25 & 1 & 50.00 & \textbf{80.25} \\" in (out / f"{name}.tex").read_text()
    assert f'id="{name}"' in (out / "report.html").read_text()
    csv = pd.read_csv(out / "sensitivity.csv")
    last = csv[csv["labelled"] == 200].set_index("value_1")
    assert last["mean"].tolist() == pytest.approx([80.1, 80.25])
    assert set(csv["key_1"]) == {"method.alpha"}
    assert last["n"].tolist() == [1, 1]
