"""How balanced the labels of each line are, by budget: Emam et al. 2021, Figures 2c, 2d and 6."""

import math

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from calrun.report.draw.panels import Panel, lines_of, styles_of
from calrun.report.draw.plots import NAME_INCHES, PRINT, ROUND_INCHES, dash_of, drawn_name, label_ends
from calrun.report.measure.balance import balance_by_budget

MEASURES = {"imbalance_ratio": "imbalance ratio", "label_entropy": "label entropy in nats"}


def balance_figure(panel: Panel) -> Figure | None:
    """Returns imbalance ratio and label entropy by labels, means over seeds.

    `None` if the lines are methods, or there are fewer than two budgets.

    A budget at which a class has no label has no ratio that could be drawn.
    """
    if panel.rows != "acquisition" or panel.runs["class_counts"].isna().all():
        return None
    balance, styles = balance_by_budget(panel.runs), styles_of(panel.runs, panel.rows)
    if balance["labelled"].nunique() < 2:
        return None
    with mpl.rc_context(PRINT):
        height = max(3.2, NAME_INCHES * len(styles) + ROUND_INCHES)
        figure = Figure(figsize=(10.0, height), layout="constrained")
        for axes, (measure, said) in zip(figure.subplots(1, 2), MEASURES.items(), strict=True):
            ends = []
            for line, own in lines_of(balance, panel.rows):
                y = own[measure].to_numpy(float)
                known = np.isfinite(y)
                if not known.any():
                    continue
                x, style = own["labelled"].to_numpy(float), styles[line]
                axes.plot(x, np.where(known, y, math.nan), color=style.colour, marker=style.marker, ms=3, lw=1.2,
                          ls=dash_of(style))  # fmt: skip
                ends.append((x[known][-1], y[known][-1], drawn_name(line, panel.rows), style.ink))
            axes.set(xlabel="labels", ylabel=said)
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            if ends:
                label_ends(axes, ends, NAME_INCHES / (height - ROUND_INCHES))
        figure.suptitle(f"{panel.title}: class balance of the labels", x=0.01, ha="left", size=9)
    return figure
