"""Several data sets side by side with a paper's: speed-up and relative accuracy by method (Das et al. 2023, Figure 1).

Both are averaged over the budgets of each data set (App. A.1), and the last columns over the data sets.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from calrun.report.draw.style import place_of, style_of
from calrun.report.measure.cost import average_over_budgets
from calrun.report.table.tables import MISSING, Cell, Table, ratio_text
from calrun.report.verdict.printed import MAIN_ACQUISITION, figure_points

FIELD = ["context", "acquisition"]


class Shown(NamedTuple):
    """One number by method, ours and a paper's, and how it is printed."""

    column: str
    title: str
    name: str
    form: Callable[[float], str]


SHOWN = (
    Shown("time", "speed-up", "overview-speed-up", lambda value: f"{ratio_text(value)}×"),
    Shown("relative_accuracy", "relative accuracy", "overview-accuracy", "{:.3f}".format),
)


def domain_tables(points: pd.DataFrame, datasets: Mapping[str, str], baseline: str) -> list[Table]:
    """Returns a table of speed-ups and one of relative accuracies: methods down, data sets across.

    Args:
        points: relative accuracy and speed-up of each line and budget, as of `overview_points`.
        datasets: the name of the paper's data set for each context.
        baseline: the method that all others are measured against; the paper's numbers are against AL.
    """
    ours = average_over_budgets(points[points["method"] != baseline])
    paper = figure_points().groupby(["dataset", "method"])[["relative_accuracy", "time"]].mean()
    return [table_of(shown, ours, paper, datasets, baseline) for shown in SHOWN] if len(ours) else []


def paper_names(table: pd.DataFrame, stand_ins: Mapping[str, str]) -> dict[str, str]:
    """Returns the name of the paper's data set by context: that of the run's own, or of the one it stands for.

    Raises:
        ValueError: if no run has a stand-in's data set, or the paper has not the one it stands for.
    """
    ours, paper = sorted(set(table["dataset"])), sorted(set(figure_points()["dataset"]))
    for own, other in stand_ins.items():
        if own not in ours or other not in paper:
            raise ValueError(
                f"report wants --stand-in OURS=PAPER with OURS of {', '.join(ours)} and PAPER of {', '.join(paper)}, "
                f"got {own}={other}"
            )
    pairs = table[["context", "dataset"]].drop_duplicates().itertuples(index=False, name=None)
    return {context: stand_ins.get(dataset, dataset) for context, dataset in pairs}


def table_of(
    shown: Shown, ours: pd.DataFrame, paper: pd.DataFrame, datasets: Mapping[str, str], baseline: str
) -> Table:
    """Returns the table of one number."""
    fields = list(ours[FIELD].drop_duplicates().itertuples(index=False, name=None))
    lines = sorted(
        ours[["method", "variant"]].drop_duplicates().itertuples(index=False, name=None),
        key=lambda line: (place_of(line[0]), line[1]),
    )
    own = ours.set_index([*FIELD, "method", "variant"])[shown.column]
    values = [[own.get((*field, *line), np.nan) for field in fields] for line in lines]
    theirs = [[printed(paper[shown.column], datasets, field, line, baseline) for field in fields] for line in lines]
    rows = [
        [Cell(label(*line)), *beside(mine, his, shown.form)]
        for line, mine, his in zip(lines, values, theirs, strict=True)
    ]
    groups = [(f"{context}, {style_of(acquisition).label}", 2) for context, acquisition in fields]
    others = {context: datasets[context] for context, _ in fields if not context.startswith(f"{datasets[context]}, ")}
    notes = [
        *(f"{context}: beside the paper's {name}, for which it stands." for context, name in others.items()),
        f"Over {style_of(baseline).label}, mean over budgets; ours without a round 1 that both trained alike. The last "
        f"two columns: mean of the {len(fields)} before them; {MISSING} if one of these has none.",
    ]
    return Table(
        title=f"{shown.title}, ours and the paper's (Das et al. 2023, Figure 1)",
        name=shown.name,
        groups=[("", 1), *groups, (f"mean of {len(fields)}", 2)],
        columns=["method", *["ours", "paper"] * (len(fields) + 1)],
        rows=rows,
        notes=notes,
    )


def beside(ours: list[float], paper: list[float], form: Callable[[float], str]) -> list[Cell]:
    """Returns our cell and the paper's for each data set, and for their means, which have all data sets or none."""
    both = np.array([ours, paper], dtype=float)
    pairs = np.column_stack([both, both.mean(axis=1)])
    return [Cell(MISSING) if np.isnan(value) else Cell(form(value), float(value)) for value in pairs.T.flat]


def printed(
    paper: "pd.Series[float]", datasets: Mapping[str, str], field: tuple[str, str], line: tuple[str, str], baseline: str
) -> float:
    """Returns the paper's number for one of our fields and lines; NaN if it has none."""
    context, acquisition = field
    if acquisition != MAIN_ACQUISITION or line[1] or baseline != "al":
        return float("nan")
    return float(paper.get((datasets.get(context, ""), line[0]), np.nan))


def label(method: str, variant: str) -> str:
    return style_of(method).label + (f" ({variant})" if variant else "")
