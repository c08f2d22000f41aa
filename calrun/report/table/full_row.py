"""Full training as a row of the comparison: trained once, on all labels."""

from dataclasses import replace

from calrun.report.draw.panels import Panel
from calrun.report.read.full_training import LABEL
from calrun.report.table.tables import MISSING, Cell, Table, accuracy_cells

NOTE = "Full training: trained once, on all labels; a constant line of the curves."


def with_full_training(table: Table, panel: Panel) -> Table:
    """Returns a comparison with a last row for each kind of full training, and a column for what all labels give.

    Args:
        table: its first two columns are names and n, its next group those of the budgets.
        panel: whose runs of full training they are.
    """
    found = list(panel.full_training())
    if not found:
        return table
    at, blank = sum(count for _, count in table.groups[:2]), [Cell(MISSING)]
    rows = [row[:at] + blank + row[at:] for row in table.rows]
    for name, own in found:
        cells = blank * (len(table.columns) - 1)
        cells[at - 2] = accuracy_cells(own.to_frame().T, own["n"])[0]
        rows.append([Cell(name), Cell(str(own["n"]), float(own["n"])), *cells])
    labels = sorted({int(own["labelled"]) for _, own in found})
    head = " or ".join(f"{number:,}" for number in labels) + "\n100 %"
    return replace(
        table,
        columns=[*table.columns[:at], head, *table.columns[at:]],
        groups=[*table.groups[:2], (LABEL, 1), *table.groups[2:]],
        rows=rows,
        notes=[*table.notes, NOTE],
    )
