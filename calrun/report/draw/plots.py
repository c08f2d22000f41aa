"""Figures in one style, for print: learning curves, accuracy against speed-up, forgetting matrices; PNG, PDF and SVG.

Every line carries its name at its end, so that no legend has to be matched by colour.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from calrun.report.draw.panels import Line, Panel, label_of, lines_of, styles_of
from calrun.report.draw.style import Style, style_of
from calrun.report.measure.cost import average_over_budgets, mean_speed_up
from calrun.report.measure.curves import (
    LINE,
    accuracy_by_budget,
    floor_of,
    floor_of_curves,
    last_common_budget,
    seed_range,
    seeds_said,
)
from calrun.report.measure.significance import band_said, bands
from calrun.report.table.labels import place_labels, spread, within
from calrun.report.table.written import write

LETTERS_PER_INCH = 13  # in a title
NAME_INCHES = 0.17  # height for each name beside the curves
MATRICES_ACROSS = 4
ROUND_INCHES = 0.85  # height around the field: title, ticks and label
SHORT_NAME, LETTER_INCHES = 30, 0.09  # letters that fit beside the curves, and width added for each further one
LONGEST_DRAWN = 72  # most letters of a name in a figure
FULL_COLOUR = "#444444"  # of the constant lines of full training
WRAPPED_NAME = 24  # letters in a line of a name beside a point
PRINT: dict[Any, Any] = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "calrun",
    "savefig.dpi": 200,
    "text.parse_math": False,  # a $ in a name is a $
}


def save(figure: Figure, out: Path, name: str) -> list[Path]:
    """Writes the figure as PNG, PDF and SVG, without dates, so that the same runs give the same files."""
    undated = {"png": None, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
    with mpl.rc_context(PRINT):
        for form, metadata in undated.items():
            write(out / f"{name}.{form}", partial(figure.savefig, format=form, metadata=metadata))
    return [out / f"{name}.{form}" for form in undated]


def learning_curves(panel: Panel) -> Figure:
    """Returns test accuracy against labels: the mean over seeds and its interval; a single seed has none.

    Points so far below the others at their budget that they would squeeze them together are cut off; the last value of
    such a line then follows its name.
    """
    summary, styles = accuracy_by_budget(panel.runs), styles_of(panel.runs, panel.rows)
    floor = 100 * floor_of_curves(summary, panel.runs)
    summary = summary.merge(bands(panel.runs), on=[*LINE, "labelled"])
    with mpl.rc_context(PRINT):
        beside = [len(name) + len(": 00.0 ± 0.0, n=0") for name, _ in panel.full_training()]
        height = max(3.9, NAME_INCHES * (len(styles) + len(beside)) + ROUND_INCHES)
        longest = max(*(len(drawn_name(line, panel.rows)) for line in styles), *beside, 0)
        width = 6.3 + LETTER_INCHES * max(0, longest - SHORT_NAME)
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots()
        ends = []
        for line, own in lines_of(summary, panel.rows):
            known = own.dropna(subset=["mean"])
            if known.empty:
                continue
            y = draw_curve(axes, own, styles[line])
            differs = f" ({seed_range(own['n'])})" if seed_range(own["n"]) != seed_range(summary["n"]) else ""
            below = f" ↓ {y:.1f}" if y < floor else ""
            ends.append(
                (
                    known["labelled"].iloc[-1],
                    max(y, floor),
                    drawn_name(line, panel.rows) + differs + below,
                    styles[line].ink,
                )
            )
        constant = list(draw_full_training(axes, panel, summary["labelled"].max()))
        seen = [*panel.runs["accuracy"].to_numpy(float), *(y / 100 for _, y, *_ in constant)]
        set_heights(axes, 100 * np.array(seen), floor)
        ends += constant
        axes.set(xlabel="labels", ylabel=f"test {panel.measure} in %")
        axes.set_title(curves_title(panel.title, summary["n"], width), loc="left", fontsize=9)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        label_ends(axes, ends, NAME_INCHES / (height - ROUND_INCHES))
    return figure


def draw_curve(axes: Axes, own: pd.DataFrame, style: Style) -> float:
    """Draws one line's means and their intervals in percent; returns its last mean.

    A round that was not evaluated leaves a gap.
    """
    x = own["labelled"].to_numpy(float)
    y, lower, upper = (100 * own[name].to_numpy(float) for name in ("mean", "lower", "upper"))
    axes.plot(x, y, color=style.colour, marker=style.marker, ms=4, lw=1.5, ls=dash_of(style))
    axes.fill_between(x, lower, upper, color=style.colour, alpha=0.12, lw=0)
    return float(y[np.isfinite(y)][-1])


def draw_full_training(axes: Axes, panel: Panel, right: float) -> Iterator[tuple[float, float, str, str]]:
    """Draws the means of full training as constant lines, with their deviations; yields their ends, see `label_ends`.

    Args:
        axes: where they are drawn.
        panel: whose runs of full training they are.
        right: the last number of labels of the curves.
    """
    for number, (name, own) in enumerate(panel.full_training()):
        y, std = 100 * own["mean"], 100 * own["std"]
        axes.axhline(y, color=FULL_COLOUR, lw=1.2, ls=(0, (6, 2 + number)), zorder=1)
        said = f"{y:.1f}"
        if own["n"] > 1:
            axes.axhspan(y - std, y + std, color=FULL_COLOUR, alpha=0.1, lw=0, zorder=0)
            said += f" ± {std:.1f}, n={own['n']}"
        yield right, y, f"{name}: {said}", FULL_COLOUR


def set_heights(axes: Axes, y_N: np.ndarray, floor: float) -> None:
    """Lets the axis span the runs: an interval over few seeds may be many times as high, and is cut off."""
    y_N = y_N[np.isfinite(y_N)]
    low, high = y_N[y_N >= floor].min(), y_N.max()
    room = 0.08 * max(high - low, 1.0)
    axes.set_ylim(low - room, min(high + room, max(high, 100.5)))


def curves_title(title: str, counts: "pd.Series[int]", width: float) -> str:
    band = band_said(counts)
    said = f"mean and {band}, {seed_range(counts)} seeds" if band else "one seed each (n=1)"
    return fill(f"{title}: {said}", int(width * LETTERS_PER_INCH))


def speed_up_figure(panel: Panel, baseline: str = "al") -> Figure | None:
    """Returns accuracy against speed-up: relative, averaged over budgets (Das et al. 2023, Fig. 3), and at the last.

    `None` if no other method has a speed-up over `baseline`.
    """
    accuracy = accuracy_by_budget(panel.runs)[[*LINE, "labelled", "mean"]]
    points = mean_speed_up(panel.runs, baseline).dropna(subset=["time", "relative_accuracy"])
    points = points.merge(accuracy, on=[*LINE, "labelled"])
    if panel.rows != "method" or set(points["method"]) <= {baseline}:
        return None
    budget, styles = last_common_budget(points), styles_of(panel.runs, panel.rows)
    last = points[points["labelled"] == budget]
    average = average_over_budgets(points)
    most = points.groupby(LINE)["labelled"].nunique().max()
    with mpl.rc_context(PRINT):
        figure = Figure(figsize=(7.6, 3.7), layout="constrained")
        left, right = figure.subplots(1, 2)
        scatter(left, average.rename(columns={"relative_accuracy": "y"}), panel.rows, styles)
        left.set_title(f"mean over {most} budgets" if most > 1 else "at one budget", loc="left", fontsize=9)
        left.set_ylabel(f"accuracy relative to {style_of(baseline).label}")
        scatter(right, last.assign(y=100 * last["mean"], note=""), panel.rows, styles)
        right.set_title(f"at {budget:,} labels", loc="left", fontsize=9)
        right.set_ylabel("test accuracy in %")
        for level in 100 * last.loc[last["method"] == baseline, "mean"]:
            right.axhline(level, color="#999999", lw=0.8, zorder=0)
        left.axhline(1.0, color="#999999", lw=0.8, zorder=0)
        for axes in (left, right):
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:.6g}")
            axes.set_xlabel(f"speed-up of training over {style_of(baseline).label}")
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
            axes.axvline(1.0, color="#999999", lw=0.8, zorder=0)
        said = seeds_said("means over paired seeds", points["time_n"])
        figure.suptitle(f"{panel.title}: {said}", x=0.01, ha="left", size=9)
    return figure


def forgetting_figure(title: str, matrices: Iterable[tuple[str, np.ndarray]]) -> Figure:
    """Returns a heat map per (name, accuracy_TT): accuracy on each D_i after each round (Das et al. 2023, Fig. 2)."""
    matrices = list(matrices)
    size = max(len(accuracy_TT) for _, accuracy_TT in matrices)
    lowest = float(np.floor(10 * min(np.nanmin(accuracy_TT) for _, accuracy_TT in matrices)) / 10)
    with mpl.rc_context(PRINT | {"axes.grid": False}):
        cell = 0.48 if size <= 10 else 0.3
        columns = min(len(matrices), MATRICES_ACROSS)
        rows = -(-len(matrices) // columns)
        inches = (1.1 + columns * (size * cell + 0.5), rows * (size * cell + 0.7) + 0.5)
        figure = Figure(figsize=inches, layout="constrained")
        fields = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (name, accuracy_TT) in zip(fields, matrices, strict=False):
            heat_map(axes, accuracy_TT, lowest)
            axes.set_title(name, loc="left", fontsize=9)
        for axes in fields[len(matrices) :]:
            axes.remove()
        figure.suptitle(f"{title}: accuracy in % on the rows of round i (across) after round t (down)", fontsize=8)
    return figure


def heat_map(axes: Axes, accuracy_TT: np.ndarray, lowest: float) -> None:
    size = len(accuracy_TT)
    axes.imshow(np.ma.masked_invalid(accuracy_TT), cmap="cividis", vmin=lowest, vmax=1.0)
    names = [str(number) for number in range(1, size + 1)]
    axes.set_xticks(range(size), names)
    axes.set_yticks(range(size), names)
    for (row, column), value in np.ndenumerate(accuracy_TT):
        if not np.isnan(value):
            dark = (value - lowest) / (1.0 - lowest + 1e-9) < 0.55
            axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color="w" if dark else "k", size=7)


def scatter(axes: Axes, points: pd.DataFrame, rows: str, styles: Mapping[Line, Style]) -> None:
    """Draws one labelled marker per line at (time, y), with its note after its name.

    A point so far below the others that it would squeeze them together is drawn at the lower edge, with its value.
    """
    floor = floor_of(points["y"].to_numpy(float))
    places, names = [], []
    for line, point in lines_of(points, rows):
        style = styles[line]
        x, y = float(point["time"].iloc[0]), float(point["y"].iloc[0])
        below = f" ↓ {y:.3g}" if y < floor else ""
        axes.plot(x, max(y, floor), color=style.colour, marker=style.marker, ms=7, ls="", mec="white", mew=0.6)
        places.append((x, max(y, floor)))
        name = drawn_name(line, rows) + str(point["note"].iloc[0]) + below
        names.append((fill(name, WRAPPED_NAME, break_long_words=False, break_on_hyphens=False), style.ink))
    axes.margins(0.16)
    if names:
        place_labels(axes, np.array(places), names)


def label_ends(axes: Axes, ends: list[tuple[float, float, str, str]], gap: float) -> None:
    """Writes each line's name to the right of its last point, moved up or down just enough not to overlap.

    Args:
        axes: whose vertical limits stay as they are.
        ends: x, y, name and colour of each line.
        gap: between two names, as a share of the field's height.
    """
    low, high = axes.get_ylim()
    width = max(x for x, *_ in ends)
    heights = within(spread([(y - low) / (high - low) for _, y, *_ in ends], gap), gap)
    leader = {"arrowstyle": "-", "lw": 0.5, "alpha": 0.6, "shrinkA": 1, "shrinkB": 3, "relpos": (0.0, 0.5)}
    for (x, y, name, colour), height in zip(ends, heights, strict=True):
        axes.annotate(
            name,
            xy=(x, y),
            xytext=(1.05, height),
            textcoords="axes fraction",
            color=colour,
            va="center",
            annotation_clip=False,
            arrowprops={**leader, "color": colour},
        )
    axes.set_xlim(right=width + 0.01 * (width - axes.get_xlim()[0]))
    axes.set_ylim(low, high)


def drawn_name(line: Line, rows: str) -> str:
    """Returns a line's name, without its middle if it is very long: what tells variants apart is at its end."""
    name = label_of(line, rows)
    return name if len(name) <= LONGEST_DRAWN else f"{name[: LONGEST_DRAWN // 3]}…{name[-LONGEST_DRAWN // 2 :]}"


def dash_of(style: Style) -> str | tuple[float, tuple[float, ...]]:
    return (0, style.dash) if style.dash else "-"
