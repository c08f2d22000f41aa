"""Many data sets at once: relative accuracy against speed-up, averaged (Das et al. 2023, App. A.1, Figures 1, 3, 4)."""

from collections.abc import Sequence
from textwrap import fill

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from calrun.report.draw.panels import styles_of
from calrun.report.draw.plots import PRINT, scatter
from calrun.report.draw.style import style_of
from calrun.report.measure.cost import average_over_budgets, average_points, mean_speed_up
from calrun.report.measure.curves import LINE, seeds_said

COLUMNS, WRAPPED_TITLE = 3, 48  # fields in a row, letters in a line of a field's title
FIELD = ["context", "acquisition"]


def overview_points(table: pd.DataFrame, baseline: str = "al") -> pd.DataFrame:
    """Returns relative accuracy and speed-up for each context, acquisition, method and budget, means over n seeds.

    `fraction` is the budget as a part of the pool; NaN if no run says it.
    """
    points = mean_speed_up(table, baseline).dropna(subset=["relative_accuracy", "time"])
    points = points.rename(columns={"time_n": "n"})
    fractions = table.groupby(["context", "labelled"])["labelled_fraction"].first().astype(float)
    points = points.merge(fractions.rename("fraction").reset_index(), on=["context", "labelled"])
    return points[[*LINE, "labelled", "fraction", "relative_accuracy", "time", "n"]]


def overview_figure(points: pd.DataFrame, baseline: str = "al") -> Figure:
    """Returns a field per context, averaged over budgets (Figure 3), and one averaged over the contexts too (Figure 1).

    The last holds only the methods and settings that every field has: means over different data sets or acquisitions
    cannot be compared. If there are none, there is no such field.
    """
    by_context = average_over_budgets(points)
    counts = {keys: own["n"] for keys, own in points.groupby(FIELD)}
    fields = [
        (f"{context}, {style_of(str(acquisition)).label}\n{seeds_said('means', counts[context, acquisition])}", own)
        for (context, acquisition), own in by_context.groupby(FIELD)
    ]
    shared = over_all(by_context)
    if len(shared):
        fields.append((f"mean over these {len(fields)}\n{seeds_said('each of means', points['n'])}", shared))
    return fields_figure(fields, baseline)


def budget_figure(points: pd.DataFrame, baseline: str = "al") -> Figure | None:
    """Returns a field per budget, averaged over contexts and acquisitions (Figure 4).

    Budgets are the same if they are the same part of the pool, to a tenth of a percent; each field holds the methods
    and settings that all of its contexts have there. `None` if no two contexts or acquisitions share a budget.
    """
    fields = []
    rounded = points.sort_values("labelled").assign(fraction=points["fraction"].round(3))
    rounded = rounded.drop_duplicates([*LINE, "fraction"], keep="last")  # keeps one of budgets closer than that
    for fraction, own in rounded.groupby("fraction"):
        count, shared = len(own[FIELD].drop_duplicates()), over_all(own)
        if count > 1 and len(shared):
            title = f"{100 * float(str(fraction)):.3g} % of the pool, mean over {count}"
            fields.append((f"{title}\n{seeds_said('each of means', own['n'])}", shared))
    return fields_figure(fields, baseline) if fields else None


def over_all(points: pd.DataFrame) -> pd.DataFrame:
    """Returns the average over contexts and acquisitions of the methods and settings that every one of them has."""
    line = ["method", "variant"]
    in_all = points[points.groupby(line)["context"].transform("size") == len(points[FIELD].drop_duplicates())]
    return average_points(in_all, line).assign(context="", acquisition="", note="")


def fields_figure(fields: Sequence[tuple[str, pd.DataFrame]], baseline: str) -> Figure:
    """Returns a field of relative accuracy against speed-up for each (title, points)."""
    num_columns = min(COLUMNS, len(fields))
    num_rows = -(-len(fields) // COLUMNS)
    with mpl.rc_context(PRINT):
        figure = Figure(figsize=(3.5 * num_columns, 3.2 * num_rows), layout="constrained")
        axes = list(figure.subplots(num_rows, num_columns, squeeze=False).flat)
        for field, (title, own) in zip(axes, fields, strict=False):
            field.set_title("\n".join(fill(part, WRAPPED_TITLE) for part in title.split("\n")), loc="left", fontsize=8)
            field.axhline(1.0, color="#999999", lw=0.8, zorder=0)
            field.set(xlabel=f"speed-up over {style_of(baseline).label}", ylabel="relative accuracy")
            field.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
            field.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
            field.yaxis.set_major_formatter(lambda value, _: f"{value:.6g}")
            scatter(field, own.rename(columns={"relative_accuracy": "y"}), "method", styles_of(own, "method"))
        for empty in axes[len(fields) :]:
            empty.set_visible(False)
    return figure
