"""Are two methods' models unsure of the same test rows? A heat map for each round (Das et al. 2023, Figure 13)."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from calrun.report.draw.plots import PRINT
from calrun.report.draw.style import place_of, style_of

ACROSS = 3
CELL_INCHES, NAME_INCHES = 0.42, 1.1


def correlation_figure(title: str, correlations: pd.DataFrame) -> Figure:
    """Returns a matrix of all pairs for each round.

    Args:
        title: of the panel.
        correlations: as `calrun.report.measure.entropy.entropy_correlation` gives them.
    """
    names = ordered_names(correlations)
    numbers = sorted(correlations["round"].unique())
    columns = min(len(numbers), ACROSS)
    rows = -(-len(numbers) // columns)
    side = len(names) * CELL_INCHES
    with mpl.rc_context(PRINT | {"axes.grid": False}):
        inches = (NAME_INCHES + columns * (side + 0.4), rows * (side + NAME_INCHES))
        figure = Figure(figsize=inches, layout="constrained")
        fields = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
        for axes, number in zip(fields, numbers, strict=False):
            draw_matrix(axes, matrix_of(correlations[correlations["round"] == number], names), names)
            axes.set_title(f"round {number}", loc="left", fontsize=9)
        for axes in fields[len(numbers) :]:
            axes.remove()
        figure.suptitle(f"{title}: Pearson's r of test entropies", x=0.01, ha="left", size=9)
    return figure


def ordered_names(correlations: pd.DataFrame) -> list[str]:
    """Returns the lines, as 'method (variant)', in the order of all tables."""
    found = {str(name) for name in [*correlations["first"], *correlations["second"]]}
    return sorted(found, key=lambda name: (place_of(name.partition(" (")[0]), name))


def matrix_of(correlations: pd.DataFrame, names: list[str]) -> np.ndarray:
    """Returns the correlations of all pairs, symmetric, NaN for pairs that were not compared and on the diagonal."""
    matrix = np.full((len(names), len(names)), np.nan)
    columns = ["first", "second", "correlation"]
    for first, second, correlation in correlations[columns].itertuples(index=False, name=None):
        row, column = names.index(first), names.index(second)
        matrix[row, column] = matrix[column, row] = correlation
    return matrix


def draw_matrix(axes: Axes, matrix: np.ndarray, names: list[str]) -> None:
    axes.imshow(np.ma.masked_invalid(matrix), cmap="cividis", vmin=0.0, vmax=1.0)
    said = [printed_name(name) for name in names]
    axes.set_xticks(range(len(names)), said, rotation=45, ha="right", fontsize=7)
    axes.set_yticks(range(len(names)), said, fontsize=7)
    for (row, column), value in np.ndenumerate(matrix):
        if not np.isnan(value):
            ink = "w" if value < 0.55 else "k"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink, size=6)


def printed_name(name: str) -> str:
    """Returns how a line 'method (variant)' is printed."""
    method, bracket, variant = name.partition(" (")
    return style_of(method).label + bracket + variant
