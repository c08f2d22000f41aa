"""How hard the rows of regions are, by the data map of a run that trained on more rows. Wen et al. 2024, Sec. 4.1."""

from collections.abc import Mapping

import pandas as pd


def widest_map(runs: pd.DataFrame, panel: str, dynamics: Mapping[str, pd.DataFrame]) -> pd.DataFrame | None:
    """Returns the dynamics of the rows of the run, of one data set and model, that trained on most of them.

    Runs that trained on as many rows are averaged, row by row; `None` if no run of the panel recorded its dynamics.

    Args:
        runs: the tidy table.
        panel: the data set and model.
        dynamics: by run.
    """
    own = [run_id for run_id in runs.loc[runs["panel"] == panel, "run_id"].unique() if run_id in dynamics]
    if not own:
        return None
    most = max(len(dynamics[run_id]) for run_id in own)
    whole = pd.concat([dynamics[run_id] for run_id in own if len(dynamics[run_id]) == most])
    return whole.groupby("row")[["confidence", "variability", "correctness"]].mean().reset_index()


def mapped_regions(rows: pd.DataFrame, by_row: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of regions that a map knows, with what it says of them.

    Args:
        rows: `region` and `row`.
        by_row: a map.
    """
    return rows.merge(by_row, on="row", how="inner")
