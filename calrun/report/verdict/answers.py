"""The measures that go with the comparison, as tables: significance against a baseline, labels saved, class balance."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from calrun.report.draw.correlations import matrix_of, ordered_names, printed_name
from calrun.report.draw.panels import Panel, label_of, lines_of, of_line
from calrun.report.draw.style import style_of
from calrun.report.measure.at_accuracy import at_accuracy_table
from calrun.report.measure.balance import balance_by_budget
from calrun.report.measure.curves import area_under_budget_curve, span
from calrun.report.measure.efficiency import best_efficiency, equivalent_labels, mean_saving
from calrun.report.measure.entropy import entropy_correlation
from calrun.report.measure.penalty import penalty_table
from calrun.report.measure.prices import Prices, cost_table
from calrun.report.measure.robustness import PREFIX, corruption_table, paired_difference
from calrun.report.measure.significance import versus
from calrun.report.table.forgetting_table import forgetting_table
from calrun.report.table.tables import (
    MISSING,
    RANDOM,
    Cell,
    Table,
    number,
    percent,
    ratio_text,
    seed_count,
    shown_budgets,
)
from calrun.report.table.times_table import times_table


def answer_tables(
    panel: Panel,
    baseline: str,
    entropies: Mapping[tuple[str, int], np.ndarray] | None = None,
    prices: Prices | None = None,
) -> Iterator[Table]:
    """Yields the tables of one panel that its runs allow; `entropies` of test rows by run and round, if recorded."""
    yield from comparing_tables(panel, baseline)
    if panel.runs["class_counts"].notna().any():
        yield balance_table(panel)
    if panel.rows == "method":
        yield from recorded_tables(panel, baseline, entropies or {})
    if prices:
        yield from cost_table(panel, prices)


def comparing_tables(panel: Panel, baseline: str) -> Iterator[Table]:
    """Yields the tables that compare the lines with the baseline method, or with random and with each other."""
    against = baseline if panel.rows == "method" else RANDOM
    names = set(panel.runs[panel.rows])
    if against in names and len(names) > 1:
        yield significance_table(panel, against)
        yield from at_accuracy_table(panel, baseline) if panel.rows == "method" else [efficiency_table(panel)]
    yield from penalty_table(panel)


def recorded_tables(panel: Panel, baseline: str, entropies: Mapping[tuple[str, int], np.ndarray]) -> Iterator[Table]:
    """Yields the tables that compare methods by what their runs have recorded."""
    if any(str(column).startswith(PREFIX) for column in panel.runs.columns):
        yield corruptions_table(panel, baseline)
    correlations = entropy_correlation(panel.runs, entropies)
    if len(correlations):
        yield correlations_table(panel, correlations)
    yield from forgetting_table(panel)
    yield from times_table(panel)


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
            row += difference_cells(found)
            row.append(Cell(str(found["answer"])))
        rows.append(row)
    labels = sorted({int(value) for value in result.loc[result["measure"] == "last budget", "labelled"]})
    at = f"at {labels[0]:,} labels" if len(labels) == 1 else "at the last shared budget"
    statistics = ["difference", "n", "could tell", "p", "p (Holm)", "answer"]
    return Table(
        title=f"{panel.title}: against {style_of(against).label}",
        name=f"{panel.name}-significance",
        groups=[("", 1), ("", 1), *((name, len(statistics)) for name in (at, "area under the budget curve"))],
        columns=[panel.rows, "area in %", *statistics, *statistics],
        rows=rows,
        notes=[
            "Difference in points, mean over the n seeds both have; two-tailed paired t-test, Holm's correction over "
            "the rows, alpha = 0.05; open: not told apart; untested: fewer than two pairs, or all differences equal.",
            "Could tell: the true difference that n seeds find with 80 % power, corrected for all rows.",
            "Area: mean height of the curve over the labels that all rows share.",
        ],
    )


def difference_cells(found: "pd.Series[Any]") -> list[Cell]:
    """Returns a difference in points, its n, what n could tell, and p before and after correction."""
    points, least = 100 * found["difference"], 100 * found["detectable"]
    return [
        Cell(MISSING) if np.isnan(points) else Cell(f"{points:+z.1f}", points),
        Cell(str(int(found["n"])), float(found["n"])),
        Cell(MISSING) if np.isnan(least) else Cell(f"{least:.1f}", least),
        *(Cell(MISSING) if np.isnan(p) else Cell(f"{p:.2g}", p) for p in (found["p"], found["p_holm"])),
    ]


def efficiency_table(panel: Panel) -> Table:
    """Returns labelling efficiency by budget and the average sample saving ratio (Beck 2021, 4.1; Wen 2024, 6.2)."""
    equivalents = equivalent_labels(panel.runs, RANDOM)
    savings, bests = mean_saving(equivalents), best_efficiency(panel.runs, RANDOM)
    budgets = shown_budgets(sorted(equivalents["labelled"].unique()))
    rows = []
    for line, own in lines_of(equivalents, panel.rows):
        saving = of_line(savings, line)
        cells = [efficiency_cell(own[own["labelled"] == budget]) for budget in budgets]
        paired = saving[saving["rounds"] > 0]
        covered = f"{span(paired['rounds'])} of {span(paired['of_rounds'])}" if len(paired) else MISSING
        share = percent(saving["saving"].mean(), saving["saving"].std(), int(saving["saving"].count()))
        at_best = of_line(bests, line)["efficiency"].dropna()
        cells.append(
            Cell(f"{ratio_text(at_best.mean(), 2)}× (n={len(at_best)})", at_best.mean())
            if len(at_best)
            else Cell(MISSING)
        )
        rows.append([Cell(label_of(line, panel.rows)), *cells, share, Cell(covered)])
    return Table(
        title=f"{panel.title}: labels saved against random",
        name=f"{panel.name}-efficiency",
        groups=[("", 1), ("labelling efficiency at labels", len(budgets) + 1), ("sample saving ratio", 2)],
        columns=[panel.rows, *(f"{budget:,}" for budget in budgets), "random's best", "mean in %", "rounds"],
        rows=rows,
        notes=[
            "Efficiency: labels random needs for the same accuracy over the labels used, by interpolation, mean over "
            "seeds; > x: random never gets there with the labels it has (all seeds or some, then the least bound). "
            "Random's best: at the highest accuracy of random with the same seed.",
            "Rounds: how many of a seed's have a ratio; outside random's curve nothing is extrapolated.",
        ],
    )


def efficiency_cell(own: pd.DataFrame) -> Cell:
    """Returns the mean efficiency over seeds; if random never matches one of them, it is only a lower bound."""
    bounds = (own["at_least"] / own["own_labels"]).where(own["efficiency"].isna(), own["efficiency"]).dropna()
    if bounds.empty:
        return Cell(MISSING)
    least = own["at_least"].notna().any()
    n = f" (n={len(bounds)})"
    return Cell(("> " if least else "") + f"{ratio_text(bounds.mean(), 2)}×{n}", float(bounds.mean()))


def balance_table(panel: Panel) -> Table:
    """Returns class imbalance ratio and label entropy by budget (Emam et al. 2021, Fig. 2c, App. B)."""
    balance = balance_by_budget(panel.runs)
    budgets = shown_budgets(sorted(balance["labelled"].unique()))
    rows = []
    for line, summary in lines_of(balance, panel.rows):
        own = summary.set_index("labelled").reindex(budgets)
        cells = [Cell(label_of(line, panel.rows)), seed_count(own["n"])]
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


def corruptions_table(panel: Panel, baseline: str) -> Table:
    """Returns accuracy on every further test set at the last budget, and the mean difference (Das 2023, Table 7, 8)."""
    last = int(panel.runs["labelled"].max())
    found = corruption_table(panel.runs, last)
    sets = sorted(found["corruption"].unique())
    differences = paired_difference(panel.runs, last, baseline)
    rows = []
    for line, own in lines_of(found, panel.rows):
        by_set = own.set_index("corruption").reindex(sets)
        cells = [
            percent(mean, std, 0 if np.isnan(n) else int(n)) for mean, std, n in by_set[["mean", "std", "n"]].to_numpy()
        ]
        apart = points(of_line(differences, line)["difference"])
        rows.append([Cell(label_of(line, panel.rows)), *cells, apart])
    return Table(
        title=f"{panel.title}: other test sets at {last:,} labels",
        name=f"{panel.name}-test-sets",
        groups=[("", 1), ("accuracy in %", len(sets)), ("", 1)],
        columns=[panel.rows, *sets, f"mean minus {style_of(baseline).label}"],
        rows=rows,
        notes=[
            "Mean over seeds ± standard deviation; the last column: differences paired by seed, averaged over the test "
            "sets and then over the n seeds both have."
        ],
    )


def points(difference_S: "pd.Series[float]") -> Cell:
    """Returns the mean over seeds of a difference in points, with its n."""
    n, mean = int(difference_S.count()), 100 * float(difference_S.mean())
    return Cell(f"{mean:+z.2f} (n={n})", mean) if n else Cell(MISSING)


def correlations_table(panel: Panel, correlations: pd.DataFrame) -> Table:
    """Returns the correlation of test entropies between methods, mean over rounds (Das et al. 2023, Figure 6)."""
    names = ordered_names(correlations)
    mean = correlations.groupby(["first", "second"])["correlation"].mean().reset_index()
    labels = [printed_name(name) for name in names]
    rows = [
        [Cell(label), *(number(value, "{:.2f}") for value in values)]
        for label, values in zip(labels, matrix_of(mean, names), strict=True)
    ]
    return Table(
        title=f"{panel.title}: correlation of test entropies",
        name=f"{panel.name}-entropy-correlation",
        groups=[("", 1), ("Pearson's r, mean over rounds", len(names))],
        columns=["method", *labels],
        rows=rows,
        notes=[
            f"Between models of the same seed and round, n = {span(correlations['n'])} seeds; each round is drawn by "
            "itself.",
            positive_note(correlations),
        ],
    )


def positive_note(correlations: pd.DataFrame) -> str:
    """Returns whether all pairs are correlated positively in every round, as Das et al. 2023 say (Sec. 5.3.2)."""
    known = correlations.dropna(subset=["correlation"])
    if known.empty:
        return "No correlation can be known: the entropies of one of each pair are all the same."
    least: dict[str, Any] = known.sort_values("correlation", kind="stable").head(1).to_dict("records")[0]  # type: ignore[assignment]
    pair = f"{printed_name(least['first'])} and {printed_name(least['second'])}"
    answer = "yes" if least["correlation"] > 0 else "no"
    return (
        f"Positive for every pair in every round: {answer} (least {least['correlation']:.2f}, of {pair} in round "
        f"{least['round']})."
    )
