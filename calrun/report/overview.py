"""Many data sets at once: relative accuracy against speed-up, averaged (Das et al. 2023, App. A.1, Figures 1, 3, 4)."""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from calrun.report.cost import average_over_budgets, average_points, mean_speed_up
from calrun.report.curves import seeds_said
from calrun.report.plots import PRINT, scatter
from calrun.report.style import look_of

COLUMNS = 3


def overview_points(table: pd.DataFrame, baseline: str = "al") -> pd.DataFrame:
    """Returns relative accuracy and speed-up for each context, acquisition, method and budget, means over n seeds."""
    points = mean_speed_up(table, baseline).dropna(subset=["relative_accuracy", "time"])
    points = points.rename(columns={"time_n": "n"})
    return points[["context", "acquisition", "method", "variant", "labelled", "relative_accuracy", "time", "n"]]


def overview_figure(points: pd.DataFrame, baseline: str = "al") -> Figure:
    """Returns a field per context, averaged over budgets (Figure 3), and one averaged over the contexts too (Figure 1).

    The last holds only the methods and settings that every field has: means over different data sets or acquisitions
    do not compare.
    """
    field_of = ["context", "acquisition"]
    by_context = average_over_budgets(points)
    counts = {keys: own["n"] for keys, own in points.groupby(field_of)}
    fields = [
        (f"{context}, {look_of(str(acquisition)).label}\n{seeds_said('means', counts[context, acquisition])}", own)
        for (context, acquisition), own in by_context.groupby(field_of)
    ]
    name = ["method", "variant"]
    in_all = by_context[by_context.groupby(name)["context"].transform("size") == len(fields)]
    overall = average_points(in_all, name).assign(context="", acquisition="", note="")
    fields.append((f"mean over these {len(fields)}\n{seeds_said('each of means', points['n'])}", overall))
    num_rows = -(-len(fields) // COLUMNS)
    with mpl.rc_context(PRINT):
        figure = Figure(figsize=(3.5 * min(COLUMNS, len(fields)), 3.2 * num_rows), layout="constrained")
        axes = list(figure.subplots(num_rows, min(COLUMNS, len(fields)), squeeze=False).flat)
        for field, (title, own) in zip(axes, fields, strict=False):
            field.set_title(title, loc="left", fontsize=8)
            field.axhline(1.0, color="#999999", lw=0.8, zorder=0)
            field.set(xlabel=f"speed-up over {look_of(baseline).label}", ylabel="relative accuracy")
            field.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
            field.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
            field.yaxis.set_major_formatter(lambda value, _: f"{value:.6g}")
            scatter(field, own.rename(columns={"relative_accuracy": "y"}), "method")
        for empty in axes[len(fields) :]:
            empty.set_visible(False)
    return figure
