"""Reads the cells of a bank into one table."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from calrun.arena.field import Cell
from calrun.arena.player import Played
from calrun.report.measure.curves import mean_height
from calrun.report.measure.efficiency import best_efficiency

MEASURES = ("accuracy", "balanced_accuracy")
COLUMNS = ["budget", "set", "acquisition", "seed", "value", "last", "seconds", "select_seconds", "labelled", "curve"]
POINTS = 100.0


def cell_table(played: Iterable[tuple[Cell, Played]], measure: str) -> pd.DataFrame:
    """Returns a row for each cell: its area under the curve and last accuracy in points, its seconds and its curve.

    The area is the mean height of the curve over labels, on a linear scale (trapezoids).
    """
    rows = [row_of(cell, each, measure) for cell, each in played]
    return pd.DataFrame(rows, columns=COLUMNS)


def row_of(cell: Cell, played: Played, measure: str) -> dict[str, Any]:
    """Returns the row of a cell."""
    labels_T, curve_T = np.array(played.labelled, dtype=float), POINTS * np.array(getattr(played, measure))
    return {
        "budget": cell.budget,
        "set": cell.name,
        "acquisition": cell.entrant.name,
        "seed": cell.seed,
        "value": mean_height(labels_T, curve_T, labels_T[0], labels_T[-1]),
        "last": curve_T[-1],
        "seconds": sum(played.seconds.values()),
        "select_seconds": played.seconds["score"] + played.seconds["select"],
        "labelled": tuple(played.labelled),
        "curve": tuple(curve_T),
    }


def efficiencies(cells: pd.DataFrame, baseline: str = "random") -> pd.DataFrame:
    """Returns each cell's labelling efficiency: the labels that random needs for its best accuracy, over the cell's.

    Columns: budget, set, acquisition, seed and efficiency; 0 where the cell never reaches that accuracy.
    """
    long = cells.explode(["labelled", "curve"]).rename(columns={"curve": "accuracy"})
    long = long.astype({"labelled": float, "accuracy": float})
    long["context"] = long["budget"] + "\0" + long["set"]
    long["run_id"] = long["acquisition"] + "\0" + long["seed"].astype(str)
    found = best_efficiency(long.assign(method="head", variant=""), baseline)
    found[["budget", "set"]] = found["context"].str.split("\0", expand=True).reindex(columns=[0, 1]).to_numpy()
    found["efficiency"] = found["efficiency"].fillna(0.0)
    return found[["budget", "set", "acquisition", "seed", "efficiency"]]


def mean_by_set(cells: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Returns the mean value over seeds, data sets in rows and acquisitions in columns."""
    means = cells.groupby(["set", "acquisition"])["value"].mean().unstack()
    return means[[name for name in names if name in means]]
