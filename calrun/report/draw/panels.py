"""What a report puts side by side: a panel of runs that may be compared, and the lines in it."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import pandas as pd

from calrun.report.draw.style import Style, place_of, style_of, styles_together
from calrun.report.measure.curves import LINE
from calrun.report.read.full_training import LABEL, summary_of
from calrun.report.table.plain import file_name


class Line(NamedTuple):
    """What is compared: the columns LINE of the tidy table."""

    context: str
    acquisition: str
    method: str
    variant: str


@dataclass(frozen=True)
class Panel:
    """Runs that may be compared: one data set and model, with one acquisition (rows are methods) or the reverse.

    If its runs follow several budget plans, its lines say so, and numbers are paired only within a plan.

    `full` holds the runs of full training beside them; `measure` is what the column `accuracy` is called.
    """

    where: str
    rows: str
    fixed: str
    runs: pd.DataFrame
    full: pd.DataFrame = field(default_factory=pd.DataFrame)
    measure: str = "accuracy"

    @property
    def title(self) -> str:
        return f"{self.where}, {style_of(self.fixed).label}"

    @property
    def parts(self) -> list[str]:
        """The parts of its files' names."""
        return [*outside_brackets(self.where), self.fixed]

    @property
    def name(self) -> str:
        """The beginning of its files' names."""
        return file_name(*self.parts) + ("-acquisitions" if self.rows == "acquisition" else "")

    def measured_by(self, column: str, measure: str) -> "Panel":
        """Returns the panel with another metric in the place of accuracy, under its own name."""
        runs, full = (
            frame.assign(accuracy=frame[column]) if column in frame else frame.assign(accuracy=float("nan"))
            for frame in (self.runs, self.full)
        )
        return replace(self, runs=runs, full=full, measure=measure)

    def full_training(self) -> Iterator[tuple[str, pd.Series]]:
        """Yields the name and the mean, std and n of each kind of full training."""
        found = summary_of(self.full)
        several = self.rows == "method"
        for _, own in found.iterrows():
            more = [style_of(own["method"]).label] if several else []
            said = ", ".join([*more, *([own["variant"]] if own["variant"] else [])])
            yield f"{LABEL} ({said})" if said else LABEL, own


def outside_brackets(name: str) -> list[str]:
    """Returns the parts of a name such as 'digits, mlp (lr=1, width=2)' between the commas outside brackets."""
    return re.split(r", (?![^(]*\))", name)


def panels(table: pd.DataFrame, full: pd.DataFrame | None = None) -> Iterator[Panel]:
    """Yields a panel for each acquisition, and one for each method that met several acquisitions.

    An acquisition with a single line, which its method's panel shows beside others, has no panel of its own, unless
    its runs recorded accuracy by round, which only an acquisition's panel shows.
    """

    def of(where: str, methods: Iterable[str]) -> pd.DataFrame:
        if full is None or full.empty:
            return pd.DataFrame()
        return full[(full["panel"] == where) & full["method"].isin(list(methods))]

    met = table.groupby(["panel", "method"])["acquisition"].transform("nunique")
    for keys, runs in table.groupby(["panel", "acquisition"], sort=False):
        where, acquisition = map(str, keys)
        alone = len(runs[LINE].drop_duplicates()) == 1 and met[runs.index[0]] > 1
        if not alone or runs["accuracy_by_round"].notna().any():
            yield Panel(where, "method", acquisition, runs, of(where, runs["method"]))
    for keys, runs in table.groupby(["panel", "method"], sort=False):
        where, method = map(str, keys)
        if runs["acquisition"].nunique() > 1:
            yield Panel(where, "acquisition", method, runs, of(where, [method]))


def lines_of(frame: pd.DataFrame, rows: str) -> Iterator[tuple[Line, pd.DataFrame]]:
    """Yields each line with its rows of `frame`, in the papers' order."""
    lines = [Line(*map(str, keys)) for keys in frame[LINE].drop_duplicates().itertuples(index=False)]
    for line in sorted(lines, key=lambda line: (place_of(getattr(line, rows)), natural(line.variant))):
        yield line, of_line(frame, line)


def styles_of(frame: pd.DataFrame, rows: str) -> dict[Line, Style]:
    """Returns how each line of `frame` is drawn: in its name's colour, and each variant of a name in its own dash."""
    members: dict[str, list[Line]] = defaultdict(list)
    for line, _ in lines_of(frame, rows):
        members[getattr(line, rows)].append(line)
    looks = styles_together(members)
    return {
        line: looks[name] if len(own) == 1 else looks[name].variant(number)
        for name, own in members.items()
        for number, line in enumerate(own)
    }


def natural(text: str) -> list[tuple[float, str]]:
    """Returns a sort key that orders the numbers in a text by value: alpha=2 before alpha=10."""
    parts = re.split(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)", text)
    return [(float(part), "") if place % 2 else (-1.0, part) for place, part in enumerate(parts)]


def of_line(frame: pd.DataFrame, line: Line) -> pd.DataFrame:
    return frame.loc[(frame[LINE] == list(line)).all(axis=1)]


def label_of(line: Line, rows: str) -> str:
    label = style_of(getattr(line, rows)).label
    return f"{label} ({line.variant})" if line.variant else label
