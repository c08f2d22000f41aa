"""Grids over hyper-parameters: one or two configuration keys against accuracy (Das et al. 2023, Tables 9 and 10)."""

from collections.abc import Mapping

import pandas as pd

from calrun.report.configuration import Configuration


def sensitivity_grid(
    table: pd.DataFrame, configurations: Mapping[str, Configuration], keys: tuple[str, ...], labelled: int
) -> pd.DataFrame:
    """Returns mean, std and n of the accuracy at one budget for each combination of the values of `keys`.

    Args:
        table: runs of one line's method; whatever else differs between them would be averaged, so it is refused.
        configurations: of the runs, by run id.
        keys: dotted configuration keys, such as method.alpha.
        labelled: the budget.

    Raises:
        ValueError: two runs of one combination and seed differ in something else.
    """
    at_budget = table[table["labelled"] == labelled].copy()
    for key in keys:
        at_budget[key] = [configurations[run_id].leaves.get(key) for run_id in at_budget["run_id"]]
    clash = at_budget[at_budget.duplicated(["context", "method", "acquisition", *keys, "seed"])]
    if len(clash):
        raise ValueError(
            f"a grid over {', '.join(keys)} wants one run per combination and seed, but {len(clash)} more are there "
            f"(first: {clash['run_id'].tolist()[:5]}); add the other key in which they differ"
        )
    groups = at_budget.groupby(["context", "method", "acquisition", *keys])["accuracy"]
    return groups.agg(mean="mean", std="std", n="size").reset_index()
