"""How much each method has forgotten at its end, beside the matrices of Das et al. 2023, Figure 2."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from calrun.report.draw.panels import Panel, label_of, lines_of
from calrun.report.measure.forgetting import forgetting_matrix, mean_forgetting
from calrun.report.table.tables import Cell, Table, percent


def forgetting_table(panel: Panel) -> Iterator[Table]:
    """Yields mean forgetting by method, or nothing if no run recorded its accuracy by round over two rounds."""
    if panel.rows != "method":
        return
    rows = []
    for line, members in lines_of(panel.runs, "method"):
        lost = [mean_forgetting(forgetting_matrix(run)) for _, run in members.groupby("run_id")]
        forgotten = pd.Series(lost).dropna()
        cell = percent(forgotten.mean(), forgotten.std(), len(forgotten))
        rows.append([Cell(label_of(line, "method")), cell])
    if all(np.isnan(cell.value) for _, cell in rows):
        return
    yield Table(
        title=f"{panel.title}: forgetting",
        name=f"{panel.name}-forgetting",
        groups=[("", 1), ("", 1)],
        columns=["method", "forgotten in points"],
        rows=rows,
        notes=[
            "How far below its best the accuracy on each round's rows stands after the last round, averaged over the "
            "rounds before it; mean ± std over n seeds.",
        ],
    )
