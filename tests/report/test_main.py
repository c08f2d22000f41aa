import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from calrun.report.main import report, widest_first
from calrun.report.panels import panels
from calrun.report.runs import read

MakeRun = Callable[..., Path]


def test_report_prints_the_table_and_writes_every_file(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.8])
    make_run([0.5, 0.7], method="cal_er", state="failed")
    printed = io.StringIO()
    result = report([tmp_path / "outputs"], tmp_path / "report", console=Console(file=printed))
    assert "CAL-ER" in printed.getvalue()
    assert "failed: 2 of 2 rounds are there" in printed.getvalue()
    assert all(path.stat().st_size > 0 for path in result.files)
    suffixes = {path.suffix for path in result.files}
    assert suffixes >= {".parquet", ".csv", ".md", ".tex", ".png", ".pdf", ".svg"}


def test_a_baseline_that_no_run_is_of_is_refused_before_anything_is_written(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5], method="cal_er")
    with pytest.raises(ValueError, match=r"a method of these runs \(cal_er\), got 'als'"):
        report([tmp_path / "outputs"], tmp_path / "report", baseline="als", console=Console(file=io.StringIO()))
    assert not (tmp_path / "report").exists()


def test_what_compares_most_stands_first(make_run: MakeRun, tmp_path: Path) -> None:
    for acquisition in ("entropy", "margin", "random"):
        for method in ("al", "cal_er"):
            make_run([0.5], acquisition=acquisition, method=method)
    found = widest_first(panels(read([tmp_path]).table))
    assert [panel.fixed for panel in found] == ["al", "cal_er", "entropy", "margin", "random"]
