"""Full training: runs that train once, on all labels; the constant line that curves of active learning strive for.

DISAL supplement (2024), figures. Such a run is one of the same experiment whose budget is the whole pool, such as
acquisition=random budget=explicit budget.labels=[1.0]; what its acquisition is called decides nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from calrun.report.page.naming import difference_labels
from calrun.report.read.configuration import CONTEXT, Configuration, digest, part_of

LABEL = "full training"
IRRELEVANT = ("acquisition", "initial", "budget", "choices.acquisition")  # where all rows are bought at once


def is_full(rounds: Sequence[Mapping[str, Any]]) -> bool:
    """Tells whether a run has trained once, on all labels."""
    return len(rounds) == 1 and float(rounds[0].get("labelled_fraction") or 0) >= 1


def data_of(configuration: Configuration) -> str:
    """Returns a digest of the data and model of a run, whatever its budget."""
    return digest(part_of(configuration.leaves, CONTEXT))


def beside(
    rounds: Mapping[str, Sequence[Mapping[str, Any]]], configurations: Mapping[str, Configuration]
) -> frozenset[str]:
    """Returns the runs of full training that stand beside others of their data and model; alone they are like any."""
    full = {run_id for run_id, own in rounds.items() if is_full(own)}
    others = {data_of(configurations[run_id]) for run_id in rounds.keys() - full}
    return frozenset(run_id for run_id in full if data_of(configurations[run_id]) in others)


def with_panels(full: pd.DataFrame, table: pd.DataFrame, configurations: Mapping[str, Configuration]) -> pd.DataFrame:
    """Returns the rows of full training with the panel that they belong to, and a variant where there are several.

    Args:
        full: a row for each run of full training.
        table: the rows of all other runs, with their panels.
        configurations: of all runs.
    """
    if full.empty:
        return full
    shown = table.drop_duplicates("run_id")
    panels = {data_of(configurations[run]): panel for run, panel in zip(shown["run_id"], shown["panel"], strict=True)}
    full = full.assign(panel=[panels[data_of(configurations[run_id])] for run_id in full["run_id"]])
    full["context"], full["cheats"] = full["panel"], ""
    full["variant"] = ""
    for _, members in full.groupby(["panel", "method"]):
        kinds = {digest(own): own for own in (deciding(configurations[run_id]) for run_id in members["run_id"])}
        names = dict(zip(kinds, difference_labels(list(kinds.values())), strict=True))
        own = [names[digest(deciding(configurations[run_id]))] for run_id in members["run_id"]]
        full.loc[members.index, "variant"] = own
    return full.drop_duplicates(["panel", "method", "variant", "seed"])


def deciding(configuration: Configuration) -> dict[str, Any]:
    """Returns the leaves that decide what a run of full training comes to."""
    left_out = part_of(configuration.leaves, IRRELEVANT)
    return {key: value for key, value in configuration.leaves.items() if key not in left_out}


def summary_of(full: pd.DataFrame, value: str = "accuracy") -> pd.DataFrame:
    """Returns mean, std (ddof=1) and n of `value` over seeds, by panel, method and variant."""
    if full.empty:
        return pd.DataFrame(columns=["panel", "method", "variant", "labelled", "mean", "std", "n"])
    groups = full.dropna(subset=[value]).groupby(["panel", "method", "variant"], sort=True)
    return groups.agg(
        labelled=("labelled", "first"), mean=(value, "mean"), std=(value, "std"), n=(value, "size")
    ).reset_index()
