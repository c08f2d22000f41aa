"""Calibration against labels: a field for each recorded measure, means over seeds."""

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from calrun.report.draw.panels import Panel, lines_of, styles_of
from calrun.report.draw.plots import NAME_INCHES, PRINT, ROUND_INCHES, dash_of, drawn_name, label_ends
from calrun.report.measure.calibration import recorded_measures
from calrun.report.measure.curves import accuracy_by_budget, seeds_said

FIELD_INCHES = 5.0  # width of a field with the names beside it


def calibration_figure(panel: Panel) -> Figure | None:
    """Returns the recorded measures by labels; `None` if there are none or there is one budget alone."""
    measures, styles = recorded_measures(panel.runs), styles_of(panel.runs, panel.rows)
    if not measures or panel.runs["labelled"].nunique() < 2:
        return None
    with mpl.rc_context(PRINT):
        height = max(3.2, NAME_INCHES * len(styles) + ROUND_INCHES)
        figure = Figure(figsize=(FIELD_INCHES * len(measures), height), layout="constrained")
        fields = figure.subplots(1, len(measures), squeeze=False).ravel()
        counts = panel.runs.groupby(["method", "acquisition", "variant"])["seed"].nunique()
        for axes, (column, measure) in zip(fields, measures.items(), strict=True):
            ends = []
            for line, own in lines_of(accuracy_by_budget(panel.runs, column), panel.rows):
                x, y, style = (
                    own["labelled"].to_numpy(float),
                    measure.factor * own["mean"].to_numpy(float),
                    styles[line],
                )
                axes.plot(x, y, color=style.colour, marker=style.marker, ms=3, lw=1.2, ls=dash_of(style))
                ends.append((float(x[-1]), float(y[-1]), drawn_name(line, panel.rows), style.ink))
            axes.set(xlabel="labels", ylabel=f"test {measure.heading}")
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            axes.set_ylim(bottom=min(0.0, float(np.min([y for _, y, *_ in ends]))))
            label_ends(axes, ends, NAME_INCHES / (height - ROUND_INCHES))
        figure.suptitle(f"{panel.title}: calibration, {seeds_said('means', counts)}", x=0.01, ha="left", size=9)
    return figure
