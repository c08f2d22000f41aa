"""Where a proxy and the fine-tuned network chose differently, and how hard those rows are (acquisition=regions).

Wen et al. 2024, Figures 6, 9a and 28.
"""

from collections.abc import Iterator, Mapping

import pandas as pd

from calrun.report.draw.panels import Panel, label_of, lines_of
from calrun.report.measure.hardness import BY_MEAN, BY_SPREAD, CIFAR10_SPREADS, IMAGENET_MEANS, binned
from calrun.report.measure.maps import mapped_regions, widest_map
from calrun.report.read.regions import NAMES
from calrun.report.read.runs import NOTE
from calrun.report.table.tables import MISSING, Cell, Table, number, shown_budgets

COUNTS = [f"{NOTE}region_{name}" for name in NAMES]
EVERY = "all rows"


def region_shares(members: pd.DataFrame) -> pd.DataFrame:
    """Returns the regions' shares of a choice by budget, means over runs; empty if no round has any.

    Args:
        members: rounds in the tidy table.
    """
    if not set(COUNTS) <= {*members.columns}:
        return pd.DataFrame(columns=["labelled", "n", *NAMES])
    known = members.dropna(subset=COUNTS)
    chosen = known[[f"{NOTE}region_{name}" for name in ("O", "C", "D")]].sum(axis=1)
    shares = known[COUNTS].div(chosen, axis=0).set_axis(NAMES, axis=1).assign(labelled=known["labelled"])
    by_budget = shares.groupby("labelled")
    return by_budget[[*NAMES]].mean().assign(n=by_budget.size()).reset_index()


def region_tables(
    panel: Panel, runs: pd.DataFrame, regions: Mapping[str, pd.DataFrame], dynamics: Mapping[str, pd.DataFrame]
) -> Iterator[Table]:
    """Yields the shares of the regions by round, and how hard their rows are if a run has recorded a map.

    Args:
        panel: the runs that are compared.
        runs: the tidy table of all runs.
        regions: the rows of regions by run.
        dynamics: those of all runs that recorded them.
    """
    rows = []
    for line, members in lines_of(panel.runs, panel.rows):
        if not len(shares := region_shares(members)):
            continue
        for own in shares[shares["labelled"].isin(shown_budgets([*shares["labelled"]]))].to_dict("records"):
            cells = [number(100 * own[name], "{:.1f}") for name in NAMES]
            labels = Cell(f"{own['labelled']:,}", own["labelled"])
            rows.append([Cell(label_of(line, panel.rows)), labels, Cell(str(own["n"]), own["n"]), *cells])
    if rows:
        yield Table(
            title=f"{panel.title}: choices of the proxy and of the fine-tuned network",
            name=f"{panel.name}-regions",
            groups=[("", 1), ("", 1), ("", 1), ("regions in % of a choice", len(NAMES))],
            columns=[panel.rows, "labels", "n", *NAMES],
            rows=rows,
            notes=[
                "O: chosen by both; A, B: by the fine-tuned network alone, which is right (A) or wrong (B); the proxy "
                "is wrong about A1 and B1 and right about A2 and B2; C, D: by the proxy alone, of which the fine-tuned "
                "network is right (C) or wrong (D). Of the choice made with this many labels; means over n "
                "runs."
            ],
        )
    by_row = widest_map(runs, panel.where, dynamics)
    if by_row is not None:
        yield from hardness_table(panel, regions, by_row)


def hardness_table(panel: Panel, regions: Mapping[str, pd.DataFrame], by_row: pd.DataFrame) -> Iterator[Table]:
    """Yields how hard the rows of each region are over all rounds, or nothing if no run has written regions."""
    rows = []
    for line, members in lines_of(panel.runs, panel.rows):
        own = [regions[run_id] for run_id in members["run_id"].unique() if run_id in regions]
        if not own:
            continue
        met = pd.concat(own, ignore_index=True)
        known = mapped_regions(met, by_row)
        for name in NAMES:
            of_region = known[known["region"] == name]
            of_met = f"{len(of_region):,} of {(met['region'] == name).sum():,}"
            rows.append([Cell(label_of(line, panel.rows)), Cell(name), Cell(of_met), *hardness_cells(of_region)])
    if rows:
        rows.append([Cell(EVERY), Cell(""), Cell(f"{len(by_row):,}", len(by_row)), *hardness_cells(by_row)])
        yield Table(
            title=f"{panel.title}: how hard the rows of each region are",
            name=f"{panel.name}-region-hardness",
            groups=[("", 1), ("", 1), ("", 1), ("in %, by the mean", 4), ("in %, by the deviation", 4)],
            columns=[panel.rows, "region", "rows on the map", *BY_MEAN, *BY_SPREAD],
            rows=rows,
            notes=[
                f"Of p(true class) over the visits of a row in the run of this data set and model that trained on most "
                f"rows ({len(by_row):,}); a row counts once for each run and round whose region it is in. By the mean: "
                f"{IMAGENET_MEANS}, as Wen et al. 2024 for ImageNet; by the deviation: {CIFAR10_SPREADS}, as they for "
                "CIFAR-10.",
            ],
        )


def hardness_cells(known: pd.DataFrame) -> list[Cell]:
    if known.empty:
        return [Cell(MISSING)] * (len(BY_MEAN) + len(BY_SPREAD))
    bins = [
        *binned(known["confidence"].to_numpy(), IMAGENET_MEANS, BY_MEAN).values(),
        *binned(known["variability"].to_numpy(), CIFAR10_SPREADS, BY_SPREAD).values(),
    ]
    return [number(100 * len(own) / len(known), "{:.1f}") for own in bins]
