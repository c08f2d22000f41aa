"""The critical-difference diagram of a ranking (Demsar 2006, Fig. 1), with its CD drawn to scale and stated."""

from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from calrun.arena.ranks import Ranks
from calrun.arena.tables import Standing
from calrun.report.draw.plots import PRINT
from calrun.report.draw.style import Style, styles_together

WIDTH, NAME_INCHES, HEAD_INCHES = 9.0, 0.2, 1.2
TITLE_LETTERS = 110
FEWEST = 3  # acquisitions below which there is nothing to draw
BAR_STEP, ABOVE = 0.22, 1.4  # between two bars, and room for the scale, in the height of a name
BAR: dict[str, Any] = {"color": "#1b1b1b", "linewidth": 3, "solid_capstyle": "round"}


def diagram(now: Standing) -> Figure:
    """Returns the diagram: mean ranks on a line, and bars over those that are not told apart.

    Where no two are told apart there is no bar over all of them but a sentence.
    """
    ranks = now.ranks
    with mpl.rc_context(PRINT | {"axes.grid": False}):
        height = HEAD_INCHES + NAME_INCHES * (len(ranks.mean) / 2 + 1)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.subplots()
        axes.axis("off")
        axes.set_title(fill(f"{now.budget} budget: {ranks.said()}", TITLE_LETTERS), loc="left", fontsize=9)
        if len(ranks.mean) >= FEWEST and not np.isnan(ranks.critical_difference):
            draw_names(axes, ranks.mean, styles_together(list(ranks.mean.index)))
            draw_scale(axes, len(ranks.mean), ranks.critical_difference)
            draw_bars(axes, ranks)
    return figure


def draw_names(axes: Axes, mean: pd.Series, styles: dict[str, Style]) -> None:
    """Draws a line from each mean rank down to its name, the better half to the left."""
    k = len(mean)
    half, room = (k + 1) // 2, 0.04 * k
    axes.set_xlim(1 - 0.45 * k, k + 0.45 * k)
    axes.set_ylim(half + 1.5, -ABOVE)
    for place, (name, rank) in enumerate(mean.items()):
        on_left = place < half
        depth = 1.5 + (place if on_left else k - 1 - place)
        end = 1 - room if on_left else k + room
        ink, label = styles[str(name)].ink, styles[str(name)].label
        axes.plot([rank, rank, end], [0, depth, depth], color=ink, linewidth=1)
        text = f"{label}  {rank:.1f}" if on_left else f"{rank:.1f}  {label}"
        side: dict[str, Any] = {"ha": "right" if on_left else "left", "va": "center"}
        axes.text(end + (-room if on_left else room) / 3, depth, text, color=ink, fontsize=8, **side)


def draw_scale(axes: Axes, k: int, critical_difference: float) -> None:
    """Draws the ranks, and the critical difference above them, cut where it is longer than all ranks."""
    axes.plot([1, k], [0, 0], color="#1b1b1b", linewidth=1)
    for rank in sorted({1, k, *range(5, k, 5)} if k > 12 else range(1, k + 1)):
        axes.plot([rank, rank], [0, -0.15], color="#1b1b1b", linewidth=1)
        axes.text(rank, -0.25, str(rank), ha="center", va="bottom", fontsize=8)
    end = min(k, 1 + critical_difference)
    axes.plot([1, end], [-1.0, -1.0], **BAR)
    longer = " (longer than all ranks)" if critical_difference > k - 1 else ""
    axes.text(end + 0.02 * k, -1.0, f"CD = {critical_difference:.2f}{longer}", ha="left", va="center", fontsize=8)


def draw_bars(axes: Axes, ranks: Ranks) -> None:
    """Draws a bar over each longest run of mean ranks that are within the critical difference."""
    values = ranks.mean.to_numpy(float)
    for level, (first, last) in enumerate(alike(values, ranks.critical_difference) if ranks.num_apart else []):
        height = 0.3 + BAR_STEP * (level % 4)
        axes.plot([values[first] - 0.05, values[last] + 0.05], [height, height], **BAR)


def alike(values: np.ndarray, critical_difference: float) -> list[tuple[int, int]]:
    """Returns the first and the last place of each longest run of rising ranks that are within the difference."""
    runs: list[tuple[int, int]] = []
    for first, value in enumerate(values):
        last = int(np.searchsorted(values, value + critical_difference, side="right")) - 1
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return runs
