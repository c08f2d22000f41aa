"""How far predicted probabilities can be believed, by budget: ECE, Brier score, NLL (record.metrics)."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from calrun.report.draw.panels import Line, Panel, label_of, lines_of, of_line
from calrun.report.measure.calibration import Measure, recorded_measures
from calrun.report.measure.curves import accuracy_by_budget
from calrun.report.table.tables import MISSING, Cell, Table, budget_heading, seed_count, shown_budgets, with_best_bold

NOTE = (
    "ECE: |accuracy - confidence| over 15 bins of confidence (Guo et al. 2017); Brier score: squared distance of "
    "probabilities from the label's, 0 to 2; NLL: negative log-probability of the label. Mean ± standard deviation "
    "over n seeds. Bold: the lowest of its column as printed; not by itself a difference."
)


def calibration_tables(panel: Panel) -> Iterator[Table]:
    """Yields one table of all recorded measures, or nothing if there are none."""
    found = {
        measure: accuracy_by_budget(panel.runs, column) for column, measure in recorded_measures(panel.runs).items()
    }
    if not found:
        return
    budgets = shown_budgets(sorted({budget for summary in found.values() for budget in summary["labelled"]}))
    rows = [
        [Cell(label_of(line, panel.rows)), count_of(found, line), *cells_of(found, line, budgets)]
        for line, _ in lines_of(pd.concat([*found.values()]), panel.rows)
    ]
    for place, measure in enumerate(found):
        rows = with_lowest_bold(rows, 2 + place * len(budgets), len(budgets), measure.digits)
    heads = [budget_heading(panel.runs, budget) for budget in budgets]
    yield Table(
        title=f"{panel.title}: calibration",
        name=f"{panel.name}-calibration",
        groups=[("", 2), *((f"test {measure.heading}", len(budgets)) for measure in found)],
        columns=[panel.rows, "n", *heads * len(found)],
        rows=rows,
        notes=[NOTE],
    )


def count_of(found: dict[Measure, pd.DataFrame], line: Line) -> Cell:
    """Returns the number of seeds of a line."""
    return seed_count(pd.concat([of_line(summary, line)["n"] for summary in found.values()]))


def cells_of(found: dict[Measure, pd.DataFrame], line: Line, budgets: list[int]) -> Iterator[Cell]:
    """Yields a line's cells of every measure at every budget; a dash where no seed has the number."""
    for measure, summary in found.items():
        own = of_line(summary, line).set_index("labelled").reindex(budgets)
        for mean, std, n in own[["mean", "std", "n"]].itertuples(index=False, name=None):
            yield Cell(MISSING) if np.isnan(mean) else cell_of(measure, mean, std, n)


def cell_of(measure: Measure, mean: float, std: float, n: float) -> Cell:
    said = [f"{measure.factor * value:.{measure.digits}f}" for value in (mean, std)]
    return Cell(" ± ".join(said) if n > 1 else said[0], measure.factor * mean)


def with_lowest_bold(rows: list[list[Cell]], first: int, count: int, digits: int) -> list[list[Cell]]:
    """Sets the lowest printed number of each of `count` columns in bold, ties too, unless the whole column ties."""
    turned = [[replace(cell, value=-cell.value) for cell in row] for row in rows]
    bold = with_best_bold(turned, first, count, digits)
    return [
        [replace(cell, bold=cell.bold or marked.bold) for cell, marked in zip(row, other, strict=True)]
        for row, other in zip(rows, bold, strict=True)
    ]
