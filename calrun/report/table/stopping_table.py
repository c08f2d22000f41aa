"""What each stopping rule would have saved, and what accuracy it would have given up (record.stop_set)."""

from collections.abc import Iterator

import pandas as pd

from calrun.report.draw.panels import Panel, label_of, lines_of
from calrun.report.measure.curves import span
from calrun.report.measure.stopping import num_stopped, rules, simulated, unrecorded
from calrun.report.table.tables import MISSING, Cell, Table, number

NOTES = [
    "Simulated on runs without a rule, each rule with the values of its option. Saved: labels that it would not have "
    "bought, of those of the last round; given up: test accuracy after the last round minus that after the round at "
    "which it stops. Mean ± standard deviation over the runs that it stops.",
    "Rules look at unlabelled rows and at the validation split, never at a test set, which only judges them here.",
]


def stopping_tables(panel: Panel) -> Iterator[Table]:
    """Yields one table, or nothing if no rule has what it looks at."""
    found = simulated(panel.runs)
    if not len(found):
        return
    rows = []
    for line, own in lines_of(found, panel.rows):
        members = [(rule, own[own["rule"] == rule]) for rule in rules()]
        rows += [[Cell(label_of(line, panel.rows)), Cell(rule), *cells(runs)] for rule, runs in members if len(runs)]
    yield Table(
        title=f"{panel.title}: what each stopping rule would have saved",
        name=f"{panel.name}-stopping",
        groups=[("", 3), ("stops", 2), ("labels", 2), ("accuracy", 1)],
        columns=[panel.rows, "rule", "n", "runs", "after round", "at the stop", "saved in %", "given up in points"],
        rows=rows,
        notes=[*NOTES, *left_out(panel.runs, found)],
    )


def cells(runs: pd.DataFrame) -> list[Cell]:
    """Returns the cells of one rule and the runs of one line that it was asked about."""
    stopped = runs.dropna(subset=["after"])
    counts = [Cell(str(len(runs)), float(len(runs))), Cell(str(len(stopped)), float(len(stopped)))]
    if not len(stopped):
        return [*counts, *[Cell(MISSING)] * 4]
    return [
        *counts,
        Cell(span(stopped["after"]), float(stopped["after"].mean())),
        number(float(stopped["labelled"].mean()), "{:,.0f}"),
        spread(100 * stopped["saved"]),
        spread(100 * stopped["given_up"]),
    ]


def spread(values_N: "pd.Series[float]") -> Cell:
    """Returns mean ± std of some runs' numbers, the number alone for one run, a dash for unknown ones."""
    if values_N.isna().any():
        return Cell(MISSING)
    mean = float(values_N.mean()) + 0.0
    return Cell(f"{mean:.1f}" + (f" ± {values_N.std():.1f}" if len(values_N) > 1 else ""), mean)


def left_out(runs: pd.DataFrame, found: pd.DataFrame) -> Iterator[str]:
    """Yields what the table does not show, and why."""
    for rule in unrecorded(runs, found):
        yield f"{rule} is left out: it looks at {' and '.join(sorted(rules()[rule].needs))}, which no run has."
    if ended := num_stopped(runs):
        yield f"Left out: {ended} of {runs['run_id'].nunique()} runs, which a rule has stopped."
