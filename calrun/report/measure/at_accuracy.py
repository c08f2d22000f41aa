"""Speed-up at equal accuracy as a table: how much sooner a method is as good as the baseline was at a budget."""

from collections.abc import Iterator

import pandas as pd

from calrun.report.draw.panels import Panel, label_of, lines_of, of_line
from calrun.report.draw.style import style_of
from calrun.report.measure.cost import speed_up_at_accuracy
from calrun.report.measure.curves import LINE, accuracy_by_budget
from calrun.report.table.tables import Cell, Table, ratio_cell, shown_budgets


def at_accuracy_table(panel: Panel, baseline: str) -> Iterator[Table]:
    """Yields the table of one panel of methods.

    Yields nothing if several settings of the baseline leave open which is meant, or if no other method has a ratio.
    """
    base = panel.runs[panel.runs["method"] == baseline]
    if len(base[LINE].drop_duplicates()) != 1:
        return
    accuracy = accuracy_by_budget(base).set_index("labelled")["mean"]
    budgets = shown_budgets(sorted(accuracy.index))
    by_budget = [speed_up_at_accuracy(panel.runs, float(accuracy[budget]), baseline) for budget in budgets]
    known = [ratios.loc[ratios["method"] != baseline, "time"].notna().any() for ratios in by_budget]
    if not any(known):
        return
    label = style_of(baseline).label
    heads = [f"{budget:,}\n{100 * accuracy[budget]:.1f} %" for budget in budgets]
    rows = []
    for line, own in lines_of(panel.runs, "method"):
        seeds = own["seed"].nunique()
        cells = [reached_cell(of_line(ratios, line)["time"], seeds) for ratios in by_budget]
        rows.append([Cell(label_of(line, "method")), Cell(str(seeds), seeds), *cells])
    yield Table(
        title=f"{panel.title}: speed-up at equal accuracy",
        name=f"{panel.name}-at-accuracy",
        groups=[("", 2), (f"{label} / method, fit time to reach the accuracy of {label} at labels", len(heads))],
        columns=["method", "n", *heads],
        rows=rows,
        notes=[
            f"Cumulative fit time up to the first round at or above the accuracy that {label} has on average at these "
            "labels; mean over the n seeds in which both reach it, but not in a round 1 that both train alike; a dash: "
            "in none.",
        ],
    )


def reached_cell(ratio_S: "pd.Series[float]", seeds: int) -> Cell:
    return ratio_cell(float(ratio_S.mean()), ratio_S.count(), seeds)
