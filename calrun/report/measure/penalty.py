"""The pairwise penalty matrix as a table (Beck et al. 2021, App. G)."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from calrun.report.draw.panels import Panel, label_of, lines_of
from calrun.report.measure.curves import seed_range
from calrun.report.measure.significance import penalty_matrix
from calrun.report.table.tables import Cell, Table, number


def penalty_table(panel: Panel) -> Iterator[Table]:
    """Yields the matrix of a panel's lines with the mean of its columns, or nothing if no pair can be tested.

    A line is an acquisition (or a method) and its setting, so that the paper's comparisons of optimizers, of AL batch
    sizes and of seed sets (Figs. 13b, 14) are rows like any other.
    """
    lines = dict(lines_of(panel.runs, panel.rows))
    labels = [label_of(line, panel.rows) for line in lines]
    if len(set(labels)) < len(labels):
        return
    runs = pd.concat([own.assign(line=label) for label, own in zip(labels, lines.values(), strict=True)])
    matrix = penalty_matrix(runs, "line")
    matrix = matrix.where(~np.eye(len(matrix), dtype=bool))
    if not matrix.notna().any(axis=None):
        return
    heads = [*labels, "mean"]
    square = matrix.loc[labels, labels]
    square["mean"] = square.mean(axis=1)
    rows = [[Cell(label), *shares(numbers)] for label, numbers in zip(labels, square.to_numpy(float), strict=True)]
    rows.append([Cell("mean"), *shares(square[labels].mean().to_numpy(float)), Cell("")])
    seeds = runs.groupby(["line", "labelled"])["seed"].nunique()
    yield Table(
        title=f"{panel.title}: pairwise penalties",
        name=f"{panel.name}-penalties",
        groups=[("", 1), ("share of rounds in which the row is better than the column", len(heads))],
        columns=[panel.rows, *heads],
        rows=rows,
        notes=[
            "Better: above by a two-tailed t-test on the differences between seeds, alpha = 0.05, not corrected, over "
            f"the rounds with two or more seeds in common ({seed_range(seeds)}). Mean of a row: more is better; of a "
            "column: less is better; a dash: no round to test.",
        ],
    )


def shares(values: np.ndarray) -> list[Cell]:
    return [number(value, "{:.2f}") for value in values]
