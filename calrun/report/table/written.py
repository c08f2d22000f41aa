"""The files of a report, each written beside its place and renamed: a reader never sees half of one."""

from pathlib import Path

import pandas as pd

from calrun.machine.files import replace_file
from calrun.report.page.render import to_csv, to_latex, to_markdown
from calrun.report.table.plain import neutral_frame
from calrun.report.table.tables import Table

FORMS = {"md": to_markdown, "tex": to_latex, "csv": to_csv}


def write_text(path: Path, text: str) -> Path:
    """Writes a text file and returns its path."""
    replace_file(path, lambda beside: beside.write_text(text, encoding="utf-8"), durable=False)
    return path


def write_frame(path: Path, frame: pd.DataFrame) -> Path:
    """Writes numbers as CSV, in which no text is a formula, and returns its path."""
    return write_text(path, neutral_frame(frame).to_csv(index=False))


def write_runs(out: Path, table: pd.DataFrame) -> list[Path]:
    """Writes every round of all runs as runs.parquet and runs.csv and returns the two paths."""
    parquet = out / "runs.parquet"
    replace_file(parquet, lambda beside: table.to_parquet(beside, index=False), durable=False)
    return [parquet, write_frame(out / "runs.csv", table)]


def write_table(out: Path, table: Table) -> list[Path]:
    """Writes what is printed as Markdown, LaTeX and CSV and returns the paths."""
    return [write_text(out / f"{table.name}.{suffix}", render(table)) for suffix, render in FORMS.items()]
