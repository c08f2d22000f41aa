"""What selecting costs beside what it gives, where a proxy selects (Wen et al. 2024, Figure 1 and Table 7)."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from calrun.report.draw.panels import Panel, label_of, lines_of
from calrun.report.measure.proxy_times import selection_seconds
from calrun.report.table.tables import Cell, Table, number, percent


def times_table(panel: Panel) -> Iterator[Table]:
    """Yields the seconds of selecting and the last accuracy of each line, or nothing if no run has a proxy."""
    if "train_proxy_seconds" not in panel.runs or panel.runs["train_proxy_seconds"].isna().all():
        return
    rows = []
    for line, members in lines_of(panel.runs, panel.rows):
        own = [run for _, run in members.groupby("run_id")]
        seconds = np.array([selection_seconds(run) for run in own])
        evaluated = [run.dropna(subset=["accuracy"]).sort_values("round")["accuracy"] for run in own]
        last = pd.Series([accuracies.iloc[-1] for accuracies in evaluated if len(accuracies)], dtype=float)
        passes = [float((run["precompute_seconds"] > 0).sum()) for run in own]
        rows.append(
            [
                Cell(label_of(line, panel.rows)),
                Cell(str(len(own))),
                number(float(seconds.mean()), "{:,.1f}"),
                number(float(np.mean(passes)), "{:.1f}"),
                percent(float(last.mean()), float(last.std()), len(last)),
            ]
        )
    yield Table(
        title=f"{panel.title}: time of selecting",
        name=f"{panel.name}-selection-time",
        groups=[("", 1), ("", 1), ("", 1), ("", 1), ("", 1)],
        columns=[panel.rows, "n", "seconds of selecting", "passes for features", "last accuracy in %"],
        rows=rows,
        notes=[
            "Training what selects, its passes over the candidates, and the choice, over all rounds that select; with "
            "a proxy also the passes for its features, and the full network where it was trained for new ones. What "
            "trains the full network only to evaluate it is no part."
        ],
    )
