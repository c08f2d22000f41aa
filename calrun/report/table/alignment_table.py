"""Labels saved, accuracy gained and overall cost against fine-tuning on random rows (Wen et al. 2024, Table 1)."""

from collections.abc import Iterator

import pandas as pd

from calrun.report.draw.panels import Panel, label_of, lines_of
from calrun.report.measure.alignment import BASELINE, baselines_of, cost_to_reach, saving_and_gain
from calrun.report.measure.curves import span
from calrun.report.measure.prices import Prices
from calrun.report.table.tables import MISSING, Cell, Table, percent

PROXY = "train_proxy_seconds"


def alignment_table(panel: Panel, runs: pd.DataFrame, prices: Prices | None) -> Iterator[Table]:
    """Yields a row for each line that has a baseline; nothing if no run of the panel has a proxy.

    Args:
        panel: methods with one acquisition.
        runs: the tidy table of all runs, in which the baseline is another acquisition.
        prices: for the overall cost; without them it is left out.
    """
    if panel.rows != "method" or PROXY not in panel.runs or panel.runs[PROXY].isna().all():
        return
    bases = baselines_of(runs)
    rows = []
    for line, members in lines_of(panel.runs, panel.rows):
        own = [run for _, run in members.groupby("run_id")]
        paired = [(run, bases[key]) for run in own if (key := (line.context, int(run["seed"].iloc[0]))) in bases]
        if paired:
            rows.append([Cell(label_of(line, panel.rows)), *saving_cells(paired), *cost_cells(paired, prices)])
    if not rows:
        return
    heads = ["cost", "in % of the baseline's"] if prices else []
    notes = [
        f"Against method={BASELINE['method']} with acquisition={BASELINE['acquisition']} of the same seed. Ratio: "
        "(N2 - N1) / N2, N2 the labels random needs for the same accuracy, by interpolation; rounds outside its curve "
        "have none. Gain: in accuracy, mean over the budgets that both evaluate. Means over n seeds."
    ]
    if prices:
        notes.append(
            f"Cost: labels x {prices.label:g} + hours x {prices.hour:g} to reach the baseline's last accuracy; hours "
            "of all selecting so far and of one training of the full network. In brackets: the seeds that reach it."
        )
    yield Table(
        title=f"{panel.title}: against fine-tuning on random rows",
        name=f"{panel.name}-savings",
        groups=[("", 1), ("sample saving ratio", 2), ("", 1), *([("overall cost", 2)] if prices else [])],
        columns=[panel.rows, "mean in %", "rounds", "gain in points", *heads],
        rows=rows,
        notes=notes,
    )


def saving_cells(paired: list[tuple[pd.DataFrame, pd.DataFrame]]) -> list[Cell]:
    measured = pd.DataFrame([saving_and_gain(*pair) for pair in paired], columns=["saving", "gain", "rounds"])
    saving, gain = measured["saving"].dropna(), measured["gain"].dropna()
    points = Cell(f"{100 * gain.mean():+z.2f} (n={len(gain)})", 100 * gain.mean()) if len(gain) else Cell(MISSING)
    return [percent(saving.mean(), saving.std(), len(saving)), Cell(span(measured["rounds"])), points]


def cost_cells(paired: list[tuple[pd.DataFrame, pd.DataFrame]], prices: Prices | None) -> list[Cell]:
    if prices is None:
        return []
    paid = {"label_price": prices.label, "hour_price": prices.hour}
    found = pd.DataFrame([cost_to_reach(*pair, paid) for pair in paired], columns=["cost", "base"])
    reached = found.dropna()
    if reached.empty:
        return [Cell(MISSING), Cell(MISSING)]
    ratio = reached["cost"] / reached["base"]
    return [
        Cell(f"{reached['cost'].mean():,.2f} ({len(reached)} of {len(found)})", reached["cost"].mean()),
        percent(ratio.mean(), ratio.std(), len(ratio)),
    ]
