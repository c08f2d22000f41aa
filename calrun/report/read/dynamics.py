"""What runs have recorded of each row while they trained (record.dynamics): one table a run, of its last round."""

from pathlib import Path

import numpy as np
import pandas as pd

from calrun.report.read.runs import DAMAGE, Problem, Runs, said

COLUMNS = ("row", "visits", "confidence", "variability", "correctness", "forgotten")


def recorded_dynamics(runs: Runs) -> tuple[dict[str, pd.DataFrame], list[Problem]]:
    """Returns the dynamics of the last round of each run that has recorded them, by run, and which are damaged."""
    found, problems = {}, []
    for run_id, number in runs.table.groupby("run_id")["round"].max().items():
        path = runs.folders[str(run_id)] / f"round-{number}" / "dynamics.npz"
        if not path.exists():
            continue
        try:
            found[str(run_id)] = dynamics_in(path)
        except (*DAMAGE, EOFError, KeyError) as error:
            why = f"round-{number}/{path.name} is left out: {said(error)}"
            problems.append(Problem(runs.folders[str(run_id)], why))
    return found, problems


def dynamics_in(path: Path) -> pd.DataFrame:
    """Returns the table in a file.

    Raises:
        ValueError: its columns differ in length or hold what is no number; other errors of reading pass through.
    """
    with np.load(path, allow_pickle=False) as arrays:
        columns = {name: arrays[name] for name in COLUMNS}
    frame = pd.DataFrame(columns)
    if not np.isfinite(frame.to_numpy(float)).all():
        raise ValueError("it holds numbers that are not finite")
    return frame
