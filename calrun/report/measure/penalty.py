"""The pairwise penalty matrix as a table (Beck et al. 2021, App. G)."""

from collections.abc import Iterator

import numpy as np

from calrun.report.draw.panels import Panel, label_of, lines_of
from calrun.report.draw.style import place_of
from calrun.report.measure.curves import seed_range
from calrun.report.measure.significance import penalty_matrix
from calrun.report.table.tables import Cell, Table, number


def penalty_table(panel: Panel) -> Iterator[Table]:
    """Yields the matrix of a panel of acquisitions with the mean of its columns, or nothing if no pair can be tested.

    A name with several variants has no row: the matrix is over names, and their seeds would be mixed.
    """
    variants = panel.runs.groupby("acquisition")["variant"].nunique()
    matrix = penalty_matrix(panel.runs[panel.runs["acquisition"].map(variants) == 1])
    matrix = matrix.where(~np.eye(len(matrix), dtype=bool))
    if not matrix.notna().any(axis=None):
        return
    names = sorted(matrix.index, key=place_of)
    label = {line.acquisition: label_of(line, "acquisition") for line, _ in lines_of(panel.runs, "acquisition")}
    labels = [label[name] for name in names]
    heads = [*labels, "mean"]
    square = matrix.loc[names, names]
    square["mean"] = square.mean(axis=1)
    rows = [[Cell(label), *shares(numbers)] for label, numbers in zip(labels, square.to_numpy(float), strict=True)]
    rows.append([Cell("mean"), *shares(square[names].mean().to_numpy(float)), Cell("")])
    seeds = panel.runs.groupby(["acquisition", "labelled"])["seed"].nunique()
    yield Table(
        title=f"{panel.title}: pairwise penalties",
        name=f"{panel.name}-penalties",
        groups=[("", 1), ("share of rounds in which the row is better than the column", len(heads))],
        columns=["acquisition", *heads],
        rows=rows,
        notes=[
            "Better: above by a two-tailed t-test on the differences between seeds, alpha = 0.05, not corrected, over "
            f"the rounds with two or more seeds in common ({seed_range(seeds)}). Mean of a row: more is better; of a "
            "column: less is better; a dash: no round to test.",
        ],
    )


def shares(values: np.ndarray) -> list[Cell]:
    return [number(value, "{:.2f}") for value in values]
