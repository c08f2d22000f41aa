"""The measures beside the comparison as tables: significance against a baseline, labels saved, class balance."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from calrun.report.balance import balance_by_budget
from calrun.report.curves import area_under_budget_curve
from calrun.report.efficiency import equivalent_labels, mean_saving
from calrun.report.significance import versus
from calrun.report.style import look_of
from calrun.report.tables import MISSING, Cell, Panel, Table, label_of, lines_of, of_line, shown_budgets

RANDOM = "random"


def answer_tables(panel: Panel, baseline: str) -> Iterator[Table]:
    """Yields the tables of one panel that its runs allow."""
    against = baseline if panel.rows == "method" else RANDOM
    names = set(panel.runs[panel.rows])
    if against in names and len(names) > 1:
        yield significance_table(panel, against)
    if panel.rows == "acquisition" and against in names and len(names) > 1:
        yield efficiency_table(panel)
    if panel.runs["class_counts"].notna().any():
        yield balance_table(panel)


def significance_table(panel: Panel, against: str) -> Table:
    """Returns for each line what differs from `against`: at the last shared budget and in area under the curve."""
    result = versus(panel.runs, against, panel.rows)
    areas = area_under_budget_curve(panel.runs)
    rows = []
    for line, own in lines_of(result, panel.rows):
        area = of_line(areas, line)["area"]
        row = [Cell(label_of(line, panel.rows)), percent(area.mean(), area.std(), int(area.count()))]
        for measure in ("last budget", "area"):
            found = own[own["measure"] == measure].iloc[0]
            row += difference_cells(found["difference"], int(found["n"]), found["p"], found["p_holm"])
            row.append(Cell(str(found["answer"])))
        rows.append(row)
    labels = sorted({int(value) for value in result.loc[result["measure"] == "last budget", "labelled"]})
    at = f"at {labels[0]:,} labels" if len(labels) == 1 else "at the last shared budget"
    statistics = ["difference", "n", "p", "p (Holm)", "answer"]
    return Table(
        title=f"{panel.title}: against {look_of(against).label}",
        name=f"{panel.name}-significance",
        groups=[("", 1), ("", 1), (at, 5), ("area under the budget curve", 5)],
        columns=[panel.rows, "area in %", *statistics, *statistics],
        rows=rows,
        notes=[
            "Difference in points, mean over the n seeds both have; two-tailed paired t-test, Holm's correction over "
            "the rows, alpha = 0.05; open: not told apart; untested: fewer than two pairs, or all differences equal.",
            "Area: mean height of the curve over the labels that all rows share.",
        ],
    )


def difference_cells(difference: float, n: int, p: float, p_holm: float) -> list[Cell]:
    points = 100 * difference
    return [
        Cell(MISSING) if np.isnan(points) else Cell(f"{points:+.1f}", points),
        Cell(str(n), n),
        *(Cell(MISSING) if np.isnan(value) else Cell(f"{value:.2g}", value) for value in (p, p_holm)),
    ]


def percent(mean: float, std: float, n: int) -> Cell:
    """Returns mean ± std in percent, or a single seed's number as it is."""
    if n == 0:
        return Cell(MISSING)
    return Cell(f"{100 * mean:.1f}" + (f" ± {100 * std:.1f}" if n > 1 else " (n=1)"), 100 * mean)


def efficiency_table(panel: Panel) -> Table:
    """Returns labelling efficiency by budget and the average sample saving ratio (Beck 2021, 4.1; Wen 2024, 6.2)."""
    equivalents = equivalent_labels(panel.runs, RANDOM)
    savings = mean_saving(equivalents)
    budgets = shown_budgets(sorted(equivalents["labelled"].unique()))
    rows = []
    for line, own in lines_of(equivalents, panel.rows):
        saving = of_line(savings, line)
        cells = [efficiency_cell(own[own["labelled"] == budget]) for budget in budgets]
        covered = f"{int(saving['rounds'].min())} of {int(saving['of_rounds'].max())}"
        share = percent(saving["saving"].mean(), saving["saving"].std(), int(saving["saving"].count()))
        rows.append([Cell(label_of(line, panel.rows)), *cells, share, Cell(covered)])
    return Table(
        title=f"{panel.title}: labels saved against random",
        name=f"{panel.name}-efficiency",
        groups=[("", 1), ("labelling efficiency at labels", len(budgets)), ("sample saving ratio", 2)],
        columns=[panel.rows, *(f"{budget:,}" for budget in budgets), "mean in %", "rounds"],
        rows=rows,
        notes=[
            "Efficiency: labels random needs for the same accuracy over the labels used, by interpolation, mean over "
            "seeds; > x: random never gets there with the labels it has (all seeds or some, then the least bound).",
            "Rounds: how many have a ratio; outside random's curve nothing is extrapolated.",
        ],
    )


def efficiency_cell(own: pd.DataFrame) -> Cell:
    """Returns the mean efficiency over seeds; with a seed that random never matches only a lower bound can be said."""
    bounds = (own["at_least"] / own["own_labels"]).where(own["efficiency"].isna(), own["efficiency"]).dropna()
    if bounds.empty:
        return Cell(MISSING)
    least = own["at_least"].notna().any()
    n = f" (n={len(bounds)})"
    return Cell(("> " if least else "") + f"{bounds.mean():.2f}×{n}", float(bounds.mean()))


def balance_table(panel: Panel) -> Table:
    """Returns class imbalance ratio and label entropy by budget (Emam et al. 2021, Fig. 2c, App. B)."""
    balance = balance_by_budget(panel.runs)
    budgets = shown_budgets(sorted(balance["labelled"].unique()))
    rows = []
    for line, summary in lines_of(balance, panel.rows):
        own = summary.set_index("labelled").reindex(budgets)
        cells = [Cell(label_of(line, panel.rows)), Cell(f"{own['n'].max():.0f}", float(own["n"].max()))]
        cells += [number(value, "{:.2f}") for value in own["imbalance_ratio"]]
        cells += [number(value, "{:.3f}") for value in own["label_entropy"]]
        rows.append(cells)
    heads = [f"{budget:,}" for budget in budgets]
    return Table(
        title=f"{panel.title}: class balance of the labels",
        name=f"{panel.name}-balance",
        groups=[("", 2), ("imbalance ratio at labels", len(budgets)), ("label entropy in nats", len(budgets))],
        columns=[panel.rows, "n", *heads, *heads],
        rows=rows,
        notes=["Imbalance ratio: most over least sampled class; ∞ while a class has no label. Means over n seeds."],
    )


def number(value: float, form: str) -> Cell:
    if np.isnan(value):
        return Cell(MISSING)
    return Cell("∞" if np.isinf(value) else form.format(value), float(value))
