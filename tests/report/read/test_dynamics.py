"""What runs recorded of their rows: read, drawn and put into a table; what is damaged costs its run alone."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from calrun.report.main import report
from calrun.report.read.dynamics import recorded_dynamics
from calrun.report.read.runs import read

MakeRun = Callable[..., Path]


def write(folder: Path, **columns: Any) -> None:
    told = {
        "row": [3, 5], "visits": [4, 4], "confidence": [0.25, 0.75], "variability": [0.1, 0.3],
        "correctness": [0.0, 1.0], "forgotten": [0, 1], **columns,
    }  # fmt: skip
    (folder / "round-2").mkdir(parents=True, exist_ok=True)
    np.savez(folder / "round-2" / "dynamics.npz", **{name: np.array(values) for name, values in told.items()})


def test_the_last_rounds_rows_are_drawn_and_averaged(make_run: MakeRun, tmp_path: Path) -> None:
    write(make_run([0.5, 0.6], method="al"))
    make_run([0.5, 0.6], method="cal_er")  # which recorded nothing
    result = report([tmp_path], tmp_path / "report", console=Console(file=io.StringIO(), width=200))
    assert any(path.name.endswith("data-maps.png") for path in result.files)
    (table,) = [path for path in result.files if path.name.endswith("dynamics.md")]
    rows = [line for line in table.read_text().splitlines() if line.startswith("| AL ") or line.startswith("| CAL-ER")]
    assert rows == ["| AL | 1 | 0.500 | 0.200 | 0.500 | 0.500 | 50.0 | 0.0 | 50.0 | 0.0 | 50.0 |"]


@pytest.mark.parametrize("columns", [{"visits": [1, 2, 3]}, {"confidence": [np.nan, 0.5]}, {"forgotten": ["a", "b"]}])
def test_a_damaged_table_is_left_out_and_said(columns: dict[str, Any], make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run([0.5, 0.6], method="al")
    write(folder, **columns)
    found, (problem,) = recorded_dynamics(read([tmp_path]))
    assert not found
    assert problem.folder == folder
    assert "round-2/dynamics.npz is left out" in problem.reason
