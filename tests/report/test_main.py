import io
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from calrun.report.main import report

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
