"""How many of the labels that were bought taught nothing, because their rows are of unknown classes."""

from collections.abc import Iterator

import pandas as pd

from calrun.report.draw.panels import Panel, label_of, lines_of
from calrun.report.measure.curves import last_common_budget
from calrun.report.read.runs import NOTE
from calrun.report.table.tables import MISSING, Cell, Table, accuracy_cells, percent, shown_budgets

IN_VAIN, PRECISION = f"{NOTE}unknown_class", f"{NOTE}query_precision"


def unknown_table(panel: Panel) -> Iterator[Table]:
    """Yields a row for each line of an open set, or nothing if every row has a class."""
    if PRECISION not in panel.runs or (runs := panel.runs.dropna(subset=[PRECISION])).empty:
        return
    budgets, last = shown_budgets(sorted(runs["labelled"].unique())), last_common_budget(runs)
    rows = []
    for line, members in lines_of(runs, panel.rows):
        at_last = members[members["labelled"] == last]
        own = members.groupby("labelled")[PRECISION].agg(["mean", "std", "count"]).rename(columns={"count": "n"})
        shares = at_last[IN_VAIN] / at_last["labelled"]
        rows.append(
            [
                Cell(label_of(line, panel.rows)),
                Cell(str(members["run_id"].nunique()), members["run_id"].nunique()),
                *accuracy_cells(own.reindex(budgets), own["n"].max()),
                mean_cell(at_last[IN_VAIN]),
                percent(shares.mean(), shares.std(), len(shares)),
            ]
        )
    yield Table(
        title=f"{panel.title}: labels of unknown classes",
        name=f"{panel.name}-unknown",
        groups=[("", 1), ("", 1), ("query precision in %", len(budgets)), (f"taught nothing by {last:,}", 2)],
        columns=[panel.rows, "n", *(f"{budget:,}" for budget in budgets), "labels", "in %"],
        rows=rows,
        notes=[
            "Query precision: the share of the labels bought for a round whose rows are of a known class; those of the "
            "first round are the choice of initial rows. The others cost a label each and teach nothing."
        ],
    )


def mean_cell(counts: pd.Series) -> Cell:
    """Returns a mean number of labels."""
    mean = float(counts.mean())
    return Cell(f"{mean:,.1f}".removesuffix(".0"), mean) if len(counts) else Cell(MISSING)
