"""Intersection over union, of runs with a class for each pixel: the mean by budget, and of each class at the last."""

from collections.abc import Iterator, Sequence

import pandas as pd

from calrun.report.draw.panels import Line, Panel, label_of, lines_of, of_line
from calrun.report.measure.curves import accuracy_by_budget, last_common_budget
from calrun.report.table.full_row import with_full_training
from calrun.report.table.tables import (
    BOLD,
    Cell,
    Table,
    accuracy_blocks,
    accuracy_cells,
    seed_count,
    shown_budgets,
    with_best_bold,
)

MEAN, OF_CLASS = "mean_iou", "iou/"


def by_iou(panel: Panel) -> Panel | None:
    """Returns the panel measured by its mean IoU; `None` if its runs have none."""
    if MEAN not in panel.runs or panel.runs[MEAN].isna().all():
        return None
    return panel.measured_by(MEAN, "mean IoU")


def iou_tables(panel: Panel, class_names: Sequence[str] = ()) -> Iterator[Table]:
    """Yields the mean IoU by budget, and the IoU of each class at the last one that most lines reach."""
    measured = by_iou(panel)
    if measured is None:
        return
    summary = accuracy_by_budget(measured.runs)
    blocks = accuracy_blocks(measured, summary, budgets := shown_budgets(sorted(summary["labelled"].unique())))
    rows = [[cell for block in blocks for cell in block.cells(line)] for line, _ in lines_of(summary, panel.rows)]
    table = Table(
        title=f"{panel.title}: mean IoU",
        name=f"{panel.name}-mean-iou",
        groups=[(block.name, len(block.columns)) for block in blocks],
        columns=[column for block in blocks for column in block.columns],
        rows=with_best_bold(rows, first=2, count=len(budgets)),
        notes=[
            "Mean over classes of intersection over union, from one confusion matrix of all pixels; mean ± standard "
            "deviation over n seeds. " + BOLD
        ],
    )
    yield with_full_training(table, measured)
    yield class_table(panel, class_names)


def class_table(panel: Panel, class_names: Sequence[str]) -> Table:
    """Returns the IoU of each class at the last budget that most lines reach."""
    budget = last_common_budget(panel.runs)
    at_last = panel.runs[panel.runs["labelled"] == budget]
    numbers = sorted(int(str(name).removeprefix(OF_CLASS)) for name in at_last if is_of_class(name))
    found = {c: accuracy_by_budget(at_last, f"{OF_CLASS}{c}") for c in numbers}
    found = {c: summary for c, summary in found.items() if len(summary)}
    rows = []
    for line, own in lines_of(at_last, panel.rows):
        n = own["run_id"].nunique()
        cells = [cell_of(summary, line, n) for summary in found.values()]
        rows.append([Cell(label_of(line, panel.rows)), seed_count(pd.Series([n])), *cells])
    return Table(
        title=f"{panel.title}: IoU of each class at {budget:,} labels",
        name=f"{panel.name}-class-iou",
        groups=[("", 2), ("test IoU in %", len(found))],
        columns=[panel.rows, "n", *(class_names[c] if c < len(class_names) else str(c) for c in found)],
        rows=with_best_bold(rows, first=2, count=len(found)),
        notes=["A class that occurs neither among labels nor among predictions has none. " + BOLD],
    )


def cell_of(summary: pd.DataFrame, line: Line, most: int) -> Cell:
    """Returns one line's cell; a dash where no seed has the class."""
    own = of_line(summary, line)
    return accuracy_cells(own, most)[0] if len(own) else Cell("–")


def is_of_class(name: object) -> bool:
    """Tells whether a column holds the IoU of one class on the first test set."""
    return str(name).startswith(OF_CLASS) and str(name).removeprefix(OF_CLASS).isdecimal()
