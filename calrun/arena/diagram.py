"""The critical-difference diagram of a ranking (Demsar 2006), with its CD stated; it claims nothing that CD denies."""

import matplotlib as mpl
import numpy as np
import scikit_posthocs
from matplotlib.figure import Figure

from calrun.arena.tables import Standing
from calrun.report.draw.plots import PRINT
from calrun.report.draw.style import style_of

WIDTH, NAME_INCHES, HEAD_INCHES = 8.0, 0.2, 1.1
FEWEST = 3  # acquisitions below which there is nothing to draw


def diagram(now: Standing) -> Figure:
    """Returns the diagram: mean ranks on a line, and bars over those that are not told apart.

    Where no two are told apart there is no bar over all of them but a sentence.
    """
    ranks = now.ranks
    mean = ranks.mean.rename(lambda name: style_of(name).label)
    height = HEAD_INCHES + NAME_INCHES * (len(mean) / 2 + 1)
    with mpl.rc_context(PRINT | {"axes.grid": False}):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.subplots()
        if len(mean) < FEWEST or np.isnan(ranks.critical_difference):
            axes.axis("off")
        else:
            p = ranks.p.rename(index=lambda name: style_of(name).label, columns=lambda name: style_of(name).label)
            apart = p if ranks.num_apart else p * 0.0  # so that no bar joins what nothing was found about
            scikit_posthocs.critical_difference_diagram(
                mean, apart, ax=axes, label_fmt_left="{label} ({rank:.1f})", label_fmt_right="({rank:.1f}) {label}"
            )
        axes.set_title(f"{now.budget} budget: {ranks.said()}", loc="left", fontsize=9, wrap=True)
    return figure
