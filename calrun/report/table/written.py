"""The files of a report, each written beside its place and renamed: a reader never sees half of one.

No process holds a report's folder: two reports may write into it at once, and a killed one has left its parts there.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pandas as pd

from calrun.machine.files import replace_file
from calrun.report.page.render import to_csv, to_latex, to_markdown
from calrun.report.table.plain import neutral_frame
from calrun.report.table.tables import Table

ABANDONED_SECONDS = 300  # age from which a part is abandoned: writing one takes seconds
FORMS = {"md": to_markdown, "tex": to_latex, "csv": to_csv}


def write(path: Path, write_beside: Callable[[Path], object]) -> Path:
    """Replaces a file of a report and returns its path."""
    replace_file(path, write_beside, durable=False, shared=True)
    return path


def remove_abandoned_parts(out: Path) -> None:
    """Removes the half-written files that killed reports have left in `out`."""
    for part in out.glob(".*.part"):
        with suppress(FileNotFoundError):  # its report is alive and has just renamed it
            if time.time() - part.stat().st_mtime > ABANDONED_SECONDS:
                part.unlink()


def write_text(path: Path, text: str) -> Path:
    """Writes a text file and returns its path."""
    return write(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def write_frame(path: Path, frame: pd.DataFrame) -> Path:
    """Writes numbers as CSV, in which no text is a formula, and returns its path."""
    return write_text(path, neutral_frame(frame).to_csv(index=False))


def write_runs(out: Path, table: pd.DataFrame) -> list[Path]:
    """Writes every round of all runs as runs.parquet and runs.csv and returns the two paths."""

    def write_parquet(beside: Path) -> None:
        with beside.open("wb") as file:  # the library itself opens no path that is not UTF-8
            table.to_parquet(file, index=False)

    return [write(out / "runs.parquet", write_parquet), write_frame(out / "runs.csv", table)]


def write_table(out: Path, table: Table) -> list[Path]:
    """Writes what is printed as Markdown, LaTeX and CSV and returns the paths."""
    return [write_text(out / f"{table.name}.{suffix}", render(table)) for suffix, render in FORMS.items()]
