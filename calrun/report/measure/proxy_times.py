"""What selection via proxy costs in time. Wen et al. 2024, Table 7: seconds of the device, without labelling.

The seconds of a run's rounds are in its lines: `train_full`, `train_proxy` and `precompute` where a proxy selects,
`fit` otherwise, and `score` the pass over the candidates. What trains the full network only to evaluate it is no part.
"""

import pandas as pd


def selection_seconds(run: pd.DataFrame) -> float:
    """Returns the seconds that one run's rounds have spent on selecting.

    A run without a proxy trains the full network to select; one with a proxy trains it to select only where its
    features are computed anew. The last round selects nothing.

    Args:
        run: its rounds in the tidy table.
    """
    selecting = run[run["score_seconds"].notna()]
    passes = selecting[["score_seconds", "select_seconds"]].fillna(0).to_numpy(float).sum()
    if "train_proxy_seconds" not in run or selecting["train_proxy_seconds"].isna().all():
        return float(passes + selecting["fit_seconds"].sum())
    proxy = selecting[["train_proxy_seconds", "precompute_seconds"]].fillna(0).to_numpy(float).sum()
    updated = run[(run["round"] > 1) & (run["precompute_seconds"] > 0)]
    return float(passes + proxy + updated["train_full_seconds"].sum())
