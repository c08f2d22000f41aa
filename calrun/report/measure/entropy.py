"""Are two methods' models unsure of the same held-out rows? (Das et al. 2023, Sec. 5.3.2, Figures 6 and 13)"""

from collections.abc import Mapping

import numpy as np
import pandas as pd


def correlation(first_N: np.ndarray, second_N: np.ndarray) -> float:
    """Returns Pearson's correlation of two scores of the same rows, in double precision; NaN if one is constant.

    Raises:
        ValueError: the two have different numbers of rows.
    """
    if len(first_N) != len(second_N):
        raise ValueError(
            f"test entropies of {len(first_N)} and {len(second_N)} rows were to be correlated; "
            "both runs must be evaluated on the same test set"
        )
    first_N, second_N = first_N.astype(float), second_N.astype(float)
    first_N, second_N = first_N - first_N.mean(), second_N - second_N.mean()
    norm = float(np.sqrt((first_N @ first_N) * (second_N @ second_N)))
    return float(first_N @ second_N / norm) if norm > 0 else float("nan")


def entropy_correlation(table: pd.DataFrame, entropies: Mapping[tuple[str, int], np.ndarray]) -> pd.DataFrame:
    """Returns for each round and pair of methods the correlation of test entropies at one seed, averaged over seeds.

    This is Figure 13; its average over rounds is Figure 6. Columns: context, acquisition, round, first, second,
    correlation, n.
    """
    recorded = [key in entropies for key in zip(table["run_id"], table["round"], strict=True)]
    rows = []
    for keys, members in table[recorded].groupby(["context", "acquisition", "round", "seed"]):
        named_rows = members[["method", "variant", "run_id", "round"]].itertuples(index=False, name=None)
        named = [(line_name(*names), entropies[run_id, number]) for *names, run_id, number in named_rows]
        rows += [
            (*keys, first, second, correlation(first_N, second_N))
            for first, first_N in named
            for second, second_N in named
            if first < second
        ]
    columns = ["context", "acquisition", "round", "seed", "first", "second", "correlation"]
    pairs = pd.DataFrame(rows, columns=columns)
    groups = pairs.groupby(["context", "acquisition", "round", "first", "second"])["correlation"]
    return groups.agg(correlation="mean", n="count").reset_index()


def line_name(method: str, variant: str) -> str:
    return f"{method} ({variant})" if variant else method
