"""What a report says and draws of runs in which a proxy selects: regions, the gate, labels saved, time of selecting."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from calrun.report.draw import plots
from calrun.report.draw.panels import Panel
from calrun.report.draw.proxy import gate_figure, region_figure, region_map, times_figure
from calrun.report.measure.maps import widest_map
from calrun.report.measure.prices import Prices
from calrun.report.read.regions import recorded_regions
from calrun.report.read.runs import Problem, Runs
from calrun.report.table.alignment_table import alignment_table
from calrun.report.table.gate_table import gate_table
from calrun.report.table.region_tables import region_tables
from calrun.report.table.tables import Table
from calrun.report.table.written import write_frame

THRESHOLD = "method.gate.threshold"


@dataclass(frozen=True)
class Proxied:
    """Everything that runs say about proxies beyond the tidy table.

    Args:
        runs: what was read.
        dynamics: by run.
        regions: the rows of regions by run.
        prices: for the overall cost; `None` leaves it out.
    """

    runs: Runs
    dynamics: Mapping[str, pd.DataFrame]
    regions: Mapping[str, pd.DataFrame]
    prices: Prices | None

    def tables(self, panel: Panel) -> Iterator[Table]:
        """Yields the tables that the runs of a panel allow."""
        yield from alignment_table(panel, self.runs.table, self.prices)
        yield from gate_table(panel)
        yield from region_tables(panel, self.runs.table, self.regions, self.dynamics)

    def write_figures(self, panel: Panel, out: Path) -> list[Path]:
        """Writes the figures that the runs of a panel allow, and returns their files."""
        configurations = self.runs.configurations
        taus = {run_id: own.leaves[THRESHOLD] for run_id, own in configurations.items() if THRESHOLD in own.leaves}
        by_row = widest_map(self.runs.table, panel.where, self.dynamics)
        figures: dict[str, Figure | None] = {
            "regions": region_figure(panel),
            "region-map": region_map(panel, self.regions, by_row),
            "gate": gate_figure(panel, taus),
        }
        return [
            path
            for name, figure in figures.items()
            if figure is not None
            for path in plots.save(figure, out, f"{panel.name}-{name}")
        ]

    def write_times(self, out: Path) -> list[Path]:
        """Writes time of selecting against accuracy over all runs, if one of them has a proxy."""
        found = times_figure(self.runs.table)
        if found is None:
            return []
        figure, points = found
        return [write_frame(out / "selection-times.csv", points), *plots.save(figure, out, "selection-times")]


def proxied(runs: Runs, dynamics: Mapping[str, pd.DataFrame], prices: Prices | None) -> tuple[Proxied, list[Problem]]:
    """Returns what runs say about proxies, and which of their files are damaged."""
    regions, damaged = recorded_regions(runs)
    return Proxied(runs, dynamics, regions, prices), damaged
