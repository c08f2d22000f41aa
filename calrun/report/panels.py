"""What a report puts side by side: a panel of runs that may be compared, and the lines in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from calrun.report.curves import LINE
from calrun.report.style import look_of, place_of


class Line(NamedTuple):
    """What is compared: the columns LINE of the tidy table."""

    context: str
    acquisition: str
    method: str
    variant: str


@dataclass(frozen=True)
class Panel:
    """Runs that may be compared: one context, and one acquisition (rows methods) or one method (rows acquisitions)."""

    context: str
    rows: str
    fixed: str
    runs: pd.DataFrame

    @property
    def title(self) -> str:
        return f"{self.context}, {look_of(self.fixed).label}"

    @property
    def name(self) -> str:
        """A file name."""
        return "-".join("".join(c if c.isalnum() or c in "_." else " " for c in self.title).split()).lower()


def panels(table: pd.DataFrame) -> Iterator[Panel]:
    """Yields a panel per context and acquisition, and one per context and method where it met several acquisitions."""
    for keys, runs in table.groupby(["context", "acquisition"], sort=False):
        context, acquisition = map(str, keys)
        yield Panel(context, "method", acquisition, runs)
    for keys, runs in table.groupby(["context", "method"], sort=False):
        context, method = map(str, keys)
        if runs["acquisition"].nunique() > 1:
            yield Panel(context, "acquisition", method, runs)


def lines_of(frame: pd.DataFrame, rows: str) -> Iterator[tuple[Line, pd.DataFrame]]:
    """Yields each line with its rows of `frame`, in the papers' order."""
    lines = [Line(*map(str, keys)) for keys in frame[LINE].drop_duplicates().itertuples(index=False)]
    for line in sorted(lines, key=lambda line: (place_of(getattr(line, rows)), line.variant)):
        yield line, of_line(frame, line)


def of_line(frame: pd.DataFrame, line: Line) -> pd.DataFrame:
    return frame.loc[(frame[LINE] == list(line)).all(axis=1)]


def label_of(line: Line, rows: str) -> str:
    label = look_of(getattr(line, rows)).label
    return f"{label} ({line.variant})" if line.variant else label
