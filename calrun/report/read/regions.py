"""The rows of each region of each round that an acquisition has written (acquisition=regions): one table a run."""

from pathlib import Path

import numpy as np
import pandas as pd

from calrun.report.read.runs import DAMAGE, Problem, Runs, said

FILE = "regions.npz"
NAMES = ("O", "A1", "A2", "B1", "B2", "C", "D")


def recorded_regions(runs: Runs) -> tuple[dict[str, pd.DataFrame], list[Problem]]:
    """Returns `round`, `region` and `row` of each run that has written regions, by run, and which are damaged."""
    found, problems = dict[str, list[pd.DataFrame]](), []
    for run_id, number in runs.table[["run_id", "round"]].itertuples(index=False, name=None):
        path = runs.folders[str(run_id)] / f"round-{number}" / FILE
        if not path.exists():
            continue
        try:
            own = regions_in(path).assign(round=number)
            found.setdefault(str(run_id), []).append(own)
        except (*DAMAGE, EOFError, KeyError) as error:
            why = f"round-{number}/{path.name} is left out: {said(error)}"
            problems.append(Problem(runs.folders[str(run_id)], why))
    return {run_id: pd.concat(frames, ignore_index=True) for run_id, frames in found.items()}, problems


def regions_in(path: Path) -> pd.DataFrame:
    """Returns `region` and `row` of one round.

    Raises:
        ValueError: a region holds what is no row; other errors of reading pass through.
    """
    with np.load(path, allow_pickle=False) as arrays:
        rows = {name: arrays[name] for name in NAMES}
    if any(own.ndim != 1 or own.dtype.kind not in "iu" for own in rows.values()):
        raise ValueError("it holds regions that are no rows")
    names = np.repeat([*rows], [len(own) for own in rows.values()])
    return pd.DataFrame({"region": names, "row": np.concatenate([*rows.values()])})
