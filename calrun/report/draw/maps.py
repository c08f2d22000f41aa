"""Data maps: how a method sees the rows that it trains on (Swayamdipta et al. 2020, Figure 1)."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from calrun.report.draw.panels import Panel, label_of, lines_of
from calrun.report.draw.plots import PRINT

ACROSS = 3
LEAST_INCHES = 4.2  # of a figure with one map, whose titles are as wide
MOST_POINTS = 4000  # of one map: more would hide each other


def dynamics_of_lines(panel: Panel, dynamics: Mapping[str, pd.DataFrame]) -> list[tuple[str, pd.DataFrame, int]]:
    """Returns (name, the rows of all its runs below each other, n) for each line whose runs recorded their dynamics."""
    found = []
    for line, members in lines_of(panel.runs, panel.rows):
        own = [dynamics[run_id] for run_id in members["run_id"].unique() if run_id in dynamics]
        if own:
            found.append((label_of(line, panel.rows), pd.concat(own, ignore_index=True), len(own)))
    return found


def map_figure(title: str, lines: Sequence[tuple[str, pd.DataFrame, int]]) -> Figure:
    """Returns a map for each line: variability across, confidence up, correctness as colour; every k-th row if many."""
    columns = min(len(lines), ACROSS)
    rows = -(-len(lines) // columns)
    with mpl.rc_context(PRINT):
        figure = Figure(figsize=(LEAST_INCHES + 2.2 * (columns - 1), 0.8 + 2.2 * rows), layout="constrained")
        fields = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        points: Any = None
        for axes, (name, frame, n) in zip(fields, lines, strict=False):
            shown = frame.iloc[:: -(-len(frame) // MOST_POINTS)]
            axes.set_title(f"{name} (n={n})", loc="left", fontsize=9)
            points = axes.scatter(
                shown["variability"], shown["confidence"], c=shown["correctness"], s=3, cmap="cividis", vmin=0, vmax=1,
                linewidths=0, rasterized=True,
            )  # fmt: skip
            axes.set_xlim(0, 0.5)
            axes.set_ylim(0, 1)
        for axes in fields[len(lines) :]:
            axes.remove()
        for axes in fields[max(0, len(lines) - columns) : len(lines)]:  # the lowest of each column
            axes.tick_params(labelbottom=True)
        figure.supxlabel("standard deviation of p(true label)", fontsize=8)
        figure.supylabel("mean of p(true label)", fontsize=8)
        figure.colorbar(points, ax=list(fields[: len(lines)]), label="correctness", fraction=0.04)
        figure.suptitle(f"{title}: rows of the last round", x=0.01, ha="left", size=9)
    return figure
