"""Figures of runs in which a proxy selects: Wen et al. 2024, Figures 1, 6, 9a and 14."""

from collections.abc import Mapping
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from calrun.report.draw.panels import Line, Panel, label_of, lines_of, styles_of
from calrun.report.draw.plots import NAME_INCHES, PRINT, ROUND_INCHES, WRAPPED_NAME, dash_of, drawn_name, label_ends
from calrun.report.draw.style import style_of
from calrun.report.measure.maps import mapped_regions
from calrun.report.measure.proxy_times import selection_seconds
from calrun.report.read.regions import NAMES
from calrun.report.table.gate_table import CHANGE, UPDATE
from calrun.report.table.labels import place_labels
from calrun.report.table.region_tables import region_shares

COLOURS = dict(zip(NAMES, ("#777777", "#D55E00", "#0072B2", "#E69F00", "#56B4E9", "#CC79A7", "#009E73"), strict=True))
MARKERS = dict(zip(NAMES, "osDv^P>", strict=True))
ACROSS = 3
LETTERS = 42  # in a line of the title above a field
MOST_POINTS = 4000  # of the map behind the regions
PROXY = "train_proxy_seconds"


def region_figure(panel: Panel) -> Figure | None:
    """Returns the regions' shares of the choices of each line by labels (Fig. 9a); `None` if no run knows them."""
    found = [(label_of(line, panel.rows), region_shares(members)) for line, members in lines_of(panel.runs, panel.rows)]
    found = [(name, shares) for name, shares in found if len(shares)]
    if not found:
        return None
    with mpl.rc_context(PRINT):
        figure, fields = fields_for(len(found), width=3.4, height=2.6)
        for axes, (name, shares) in zip(fields, found, strict=True):
            ends = []
            for region in NAMES:
                x, y = shares["labelled"].to_numpy(float), 100 * shares[region].to_numpy(float)
                axes.plot(x, y, color=COLOURS[region], marker=MARKERS[region], ms=3, lw=1.2)
                ends.append((x[-1], y[-1], region, COLOURS[region]))
            axes.set_ylim(0, None)
            axes.set_title(fill(f"{name} (n={shares['n'].max()})", LETTERS), loc="left", fontsize=8)
            axes.set(xlabel="labels", ylabel="% of a choice")
            label_ends(axes, ends, 0.09)
        figure.suptitle(
            f"{panel.title}: regions of the proxy's and the full network's choice", x=0.01, ha="left", size=9
        )
    return figure


def region_map(panel: Panel, regions: Mapping[str, pd.DataFrame], by_row: pd.DataFrame | None) -> Figure | None:
    """Returns the data map with the rows of each line's regions marked; `None` without a map or regions."""
    found = []
    for line, members in lines_of(panel.runs, panel.rows):
        own = [regions[run_id] for run_id in members["run_id"].unique() if run_id in regions]
        if own:
            found.append((label_of(line, panel.rows), pd.concat(own, ignore_index=True)))
    if by_row is None or not found:
        return None
    with mpl.rc_context(PRINT):
        figure, fields = fields_for(len(found), width=3.2, height=2.8)
        behind = by_row.iloc[:: -(-len(by_row) // MOST_POINTS)]
        for axes, (name, rows) in zip(fields, found, strict=True):
            axes.scatter(
                behind["variability"], behind["confidence"], s=2, color="#dddddd", linewidths=0, rasterized=True
            )
            for region, members in mapped_regions(rows, by_row).groupby("region"):
                shown = members.iloc[:: -(-len(members) // (MOST_POINTS // len(NAMES)))]
                axes.scatter(
                    shown["variability"], shown["confidence"], s=6, color=COLOURS[str(region)],
                    marker=MARKERS[str(region)], linewidths=0, label=str(region), rasterized=True,
                )  # fmt: skip
            axes.set(xlim=(0, 0.5), ylim=(0, 1), xlabel="standard deviation of p(true class)")
            axes.set_ylabel("mean of p(true class)")
            axes.set_title(fill(name, LETTERS), loc="left", fontsize=8)
            axes.legend(fontsize=6, loc="upper right", markerscale=1.5, frameon=False)
        figure.suptitle(f"{panel.title}: regions on the map of {len(by_row):,} rows", x=0.01, ha="left", size=9)
    return figure


def gate_figure(panel: Panel, thresholds: Mapping[str, float]) -> Figure | None:
    """Returns how much LogME-PED changed from round to round (Fig. 14), with a ring where features were computed anew.

    `None` if no run has a score of two rounds in a row.

    Args:
        panel: the runs.
        thresholds: tau by run.
    """
    if CHANGE not in panel.runs or panel.runs[CHANGE].isna().all():
        return None
    styles = styles_of(panel.runs, panel.rows)
    with mpl.rc_context(PRINT):
        height = max(3.4, NAME_INCHES * len(styles) + ROUND_INCHES)
        figure = Figure(figsize=(6.0, height), layout="constrained")
        axes = figure.subplots()
        ends = []
        for line, members in lines_of(panel.runs.dropna(subset=[CHANGE]), panel.rows):
            style = styles[line]
            for _, run in members.sort_values("labelled").groupby("run_id"):
                x, y = run["labelled"].to_numpy(float), run[CHANGE].abs().to_numpy(float)
                axes.plot(x, y, color=style.colour, marker=style.marker, ms=3, lw=1, ls=dash_of(style), alpha=0.8)
                anew = run[UPDATE].to_numpy(float) > 0
                axes.plot(x[anew], y[anew], ls="", marker="o", ms=9, mfc="none", mec=style.colour)
            ends.append((x[-1], y[-1], drawn_name(line, panel.rows), style.ink))
        for level in sorted({thresholds[run_id] for run_id in panel.runs["run_id"].unique() if run_id in thresholds}):
            axes.axhline(level, color="#999999", lw=0.8, zorder=0)
        axes.set_ylim(0, None)
        axes.set(xlabel="labels", ylabel="change of LogME-PED")
        axes.set_title(f"{panel.title}: each run; ring: features anew", loc="left", fontsize=9)
        label_ends(axes, ends, NAME_INCHES / (height - ROUND_INCHES))
    return figure


def times_figure(runs: pd.DataFrame) -> tuple[Figure, pd.DataFrame] | None:
    """Returns time of selecting against last accuracy for each data set (Fig. 1), and the points.

    T_full, T_svpp and T_asvp of Sec. 6.4, in seconds of the device; `None` if no run has a proxy. Lines join the
    networks that one method was played with.
    """
    if PROXY not in runs or runs[PROXY].isna().all():
        return None
    points = pd.DataFrame(time_points(runs))
    datasets = [str(name) for name in points["dataset"].unique()]
    with mpl.rc_context(PRINT):
        figure, fields = fields_for(len(datasets), width=5.2, height=3.4)
        for axes, dataset in zip(fields, datasets, strict=True):
            draw_times(axes, points[points["dataset"] == dataset])
            axes.set_title(dataset, loc="left", fontsize=9)
        figure.suptitle("Time of selecting against the last accuracy, means over seeds", x=0.01, ha="left", size=9)
    return figure, points


def draw_times(axes: Any, points: pd.DataFrame) -> None:
    places, names = [], []
    for (method, acquisition, variant), own in points.groupby(["method", "acquisition", "variant"], sort=False):
        style, ordered = style_of(str(method)), own.sort_values("seconds")
        x, y = ordered["seconds"].to_numpy(float), ordered["accuracy"].to_numpy(float)
        axes.plot(x, y, color=style.colour, marker=style.marker, ms=6, lw=1, ls=dash_of(style))
        said = ", ".join(filter(None, [str(acquisition), str(variant)]))
        names += [(fill(f"{style.label}, {model} ({said})", WRAPPED_NAME), style.ink) for model in ordered["model"]]
        places += [*zip(x, y, strict=True)]
    axes.set_xscale("log")
    for axis in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        axis(lambda value, _: f"{value:g}" if f"{value:.0e}"[0] in "125" else "")
    axes.set(xlabel="seconds of selecting, all rounds", ylabel="last test accuracy in %")
    axes.margins(0.2)
    place_labels(axes, np.array(places), names)


def time_points(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns mean time and accuracy, and n, of each line whose rounds have selected with a network."""
    found = []
    for line, members in lines_of(runs, "method"):
        own = [run.sort_values("round") for _, run in members.groupby("run_id")]
        seconds = [selection_seconds(run) for run in own]
        accuracy = [run["accuracy"].dropna().iloc[-1] for run in own if run["accuracy"].notna().any()]
        idle = line.acquisition == "random" or members["cheats"].str.contains("acquisition").any()
        if idle or not accuracy or not all(each > 0 for each in seconds):
            continue  # random rows cost no selecting, and what looks at all labels is an analysis
        first = members.iloc[0]
        found.append(
            {"dataset": first["dataset"], "model": first["model"], **named(line)}
            | {"seconds": float(np.mean(seconds)), "accuracy": 100 * float(np.mean(accuracy)), "n": len(own)}
        )
    return found


def named(line: Line) -> dict[str, str]:
    return {"method": line.method, "acquisition": line.acquisition, "variant": line.variant}


def fields_for(number: int, width: float, height: float) -> tuple[Figure, list[Any]]:
    """Returns a figure with this many fields of a size in inches, at most ACROSS in a row."""
    columns = min(number, ACROSS)
    rows = -(-number // columns)
    figure = Figure(figsize=(0.6 + width * columns, 0.5 + height * rows), layout="constrained")
    fields = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in fields[number:]:
        axes.remove()
    return figure, [*fields[:number]]
