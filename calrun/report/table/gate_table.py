"""Where ASVP has computed its features anew, and what its gate saw there (Wen et al. 2024, Table 11)."""

from collections.abc import Iterator

import pandas as pd

from calrun.report.draw.panels import Panel, label_of, lines_of
from calrun.report.read.runs import NOTE
from calrun.report.table.tables import MISSING, Cell, Table, number

STEPS, SCORE, CHANGE, UPDATE = (f"{NOTE}{name}" for name in ("ped_steps", "logme", "logme_change", "feature_update"))


def gate_table(panel: Panel) -> Iterator[Table]:
    """Yields a row for each line that has a gate, or nothing if none has."""
    if STEPS not in panel.runs:
        return
    rows = []
    for line, members in lines_of(panel.runs.dropna(subset=[STEPS]), panel.rows):
        runs = [run.sort_values("round") for _, run in members.groupby(["seed", "run_id"])]
        changes = members[CHANGE].abs() if CHANGE in members else pd.Series(dtype=float)
        scored = members[SCORE].notna().mean() if SCORE in members else 0.0
        rows.append(
            [
                Cell(label_of(line, panel.rows)),
                Cell(str(len(runs)), len(runs)),
                Cell("; ".join(updates_of(run) for run in runs)),
                number(float(members[STEPS].mean()), "{:.1f}"),
                number(100 * float(scored), "{:.0f}"),
                number(float(changes.min()), "{:.3g}"),
                number(float(changes.median()), "{:.3g}"),
            ]
        )
    if rows:
        yield Table(
            title=f"{panel.title}: the gate of ASVP",
            name=f"{panel.name}-gate",
            groups=[("", 1)] * 5 + [("change of LogME-PED", 2)],
            columns=[panel.rows, "n", "labels at the update", "steps of PED", "rounds scored in %", "least", "median"],
            rows=rows,
            notes=[
                "Labels at which the features were computed anew, run by run in the order of seeds; a dash: never. "
                "LogME is asked where PED takes more than one step; its change is that since the round before, without "
                "its sign, over all rounds and runs."
            ],
        )


def updates_of(run: pd.DataFrame) -> str:
    """Returns the numbers of labels at which a run's features were computed anew."""
    return ", ".join(f"{labels:,}" for labels in run.loc[run[UPDATE] > 0, "labelled"]) or MISSING
