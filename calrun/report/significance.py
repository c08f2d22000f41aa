"""What a reviewer asks of a difference: paired by seed, tested, corrected for the number of comparisons, with its n."""

import numpy as np
import pandas as pd
from scipy import stats

from calrun.report.curves import LINE, area_under_budget_curve

BOOTSTRAP_DRAWS = 2000


def paired_t_test(differences_S: np.ndarray) -> float:
    """Returns the two-tailed p of a paired t-test; NaN for fewer than two pairs or differences that are all one number.

    Differences that are all zero give 1: nothing speaks for a difference. All equal and not zero would give t = inf
    out of two or three seeds, which is no evidence but coarse accuracies; it counts as not tested.
    """
    known_S = differences_S[~np.isnan(differences_S)]
    if len(known_S) < 2:
        return float("nan")
    if np.ptp(known_S) < 1e-12:
        return 1.0 if abs(known_S[0]) < 1e-12 else float("nan")
    t = known_S.mean() / (known_S.std(ddof=1) / len(known_S) ** 0.5)
    return float(2 * stats.t.sf(abs(t), len(known_S) - 1))


def holm(p_M: np.ndarray) -> np.ndarray:
    """Returns p-values corrected for their number (Holm 1979, step-down); NaN stays NaN and counts as no comparison."""
    corrected_M = np.full(len(p_M), np.nan)
    known = np.flatnonzero(~np.isnan(p_M))
    order = known[np.argsort(p_M[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected_M[order] = np.minimum(np.maximum.accumulate(p_M[order] * factors), 1.0)
    return corrected_M


def bootstrap_band(
    values_ST: np.ndarray, rng: np.random.Generator, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Returns lower_T and upper_T, percentile bounds of the mean over seeds; seeds are drawn whole, for all T at once.

    A budget that fewer than two seeds reached has no band (NaN).
    """
    draws = rng.integers(len(values_ST), size=(BOOTSTRAP_DRAWS, len(values_ST)))
    drawn_RST = values_ST[draws]
    known_RT = (~np.isnan(drawn_RST)).sum(axis=1)
    means_RT = np.divide(
        np.nansum(drawn_RST, axis=1), known_RT, out=np.full(known_RT.shape, np.nan), where=known_RT > 0
    )
    has_band_T = (~np.isnan(values_ST)).sum(axis=0) > 1
    bounds_2T = np.full((2, values_ST.shape[1]), np.nan)
    tails = [50 * (1 - level), 50 * (1 + level)]
    if has_band_T.any():
        bounds_2T[:, has_band_T] = np.nanpercentile(means_RT[:, has_band_T], tails, axis=0)
    return bounds_2T[0], bounds_2T[1]


def bands(table: pd.DataFrame, value: str = "accuracy", level: float = 0.95) -> pd.DataFrame:
    """Returns bootstrap bounds lower and upper of the mean of `value` by line and budget, the same at every call."""
    rows = []
    for keys, runs in table.groupby(LINE):
        values = runs.pivot(index="seed", columns="labelled", values=value)
        lower_T, upper_T = bootstrap_band(values.to_numpy(float), np.random.default_rng(0), level)
        for labelled, lower, upper in zip(values.columns, lower_T, upper_T, strict=True):
            rows.append((*keys, labelled, lower, upper))
    return pd.DataFrame(rows, columns=[*LINE, "labelled", "lower", "upper"])


def versus(table: pd.DataFrame, baseline: str, rows: str = "method", alpha: float = 0.05) -> pd.DataFrame:
    """Returns for each line its difference to `baseline`, paired by seed: at the last shared budget, and in area.

    With rows = 'acquisition' and baseline 'random' it answers "beats random?". The last shared budget is the last with
    two pairs (or with one, where none has two). Holm's correction runs over the lines of one context and measure.

    Columns: measure ('last budget' or 'area'), labelled, difference, n, p, p_holm, answer (better, worse, open: not
    told apart, untested: fewer than two pairs).
    """
    others = [name for name in ("method", "acquisition") if name != rows]
    areas = area_under_budget_curve(table).rename(columns={"area": "value"}).assign(labelled=0)
    accuracies = table[[*LINE, "seed", "labelled", "accuracy"]].rename(columns={"accuracy": "value"})
    tested = [
        tested_pairs(accuracies, baseline, rows).assign(measure="last budget"),
        tested_pairs(areas, baseline, rows).assign(measure="area"),
    ]
    result = pd.concat(tested, ignore_index=True)
    result["p_holm"] = result.groupby(["context", *others, "measure"])["p"].transform(lambda p: holm(p.to_numpy(float)))
    result["answer"] = [
        answer(difference, p, alpha) for difference, p in zip(result["difference"], result["p_holm"], strict=True)
    ]
    return result


def tested_pairs(values: pd.DataFrame, baseline: str, rows: str) -> pd.DataFrame:
    """Returns mean difference, n and p for each line at its last budget with two pairs, or with one."""
    others = [name for name in ("method", "acquisition") if name != rows]
    pair = ["context", *others, "seed", "labelled"]
    base = values[values[rows] == baseline].drop_duplicates(pair, keep=False)
    paired = values[values[rows] != baseline].merge(base[[*pair, "value"]], on=pair, how="left", suffixes=("", "_base"))
    paired["difference"] = paired["value"] - paired["value_base"]
    groups = paired.groupby([*LINE, "labelled"])["difference"]
    tested = groups.agg(difference="mean", n="count", p=lambda own: paired_t_test(own.to_numpy(float))).reset_index()
    tested["enough"] = tested["n"].clip(upper=2)
    return tested.sort_values(["enough", "labelled"]).drop_duplicates(LINE, keep="last").drop(columns="enough")


def answer(difference: float, p: float, alpha: float) -> str:
    if np.isnan(p):
        return "untested"
    if p >= alpha:
        return "open"
    return "better" if difference > 0 else "worse"


def penalty_matrix(table: pd.DataFrame, rows: str = "acquisition", alpha: float = 0.05) -> pd.DataFrame:
    """Returns the pairwise penalty matrix of Beck et al. 2021, App. G, of one panel; cell (i, j) in [0, 1].

    It is the fraction of rounds in which i's accuracy is above j's by a two-tailed t-test on the differences between
    seeds. Rounds are the budgets at which both have at least two seeds in common; a pair without any is NaN.
    """
    names = sorted(table[rows].unique())
    by_name = {
        name: own.pivot_table(index="seed", columns="labelled", values="accuracy")
        for name, own in table.groupby(rows, sort=True)
    }
    matrix = pd.DataFrame(0.0, index=names, columns=names)
    for first in names:
        for second in names:
            if first != second:
                matrix.loc[first, second] = wins(by_name[first] - by_name[second], alpha)
    return matrix


def wins(differences: pd.DataFrame, alpha: float) -> float:
    """Returns the fraction of columns whose mean is above zero with significance."""
    tested = differences.loc[:, differences.count() > 1]
    if tested.empty:
        return float("nan")
    p_T = np.array([paired_t_test(tested[labelled].to_numpy(float)) for labelled in tested])
    return float(np.mean((p_T < alpha) & (tested.mean().to_numpy() > 0)))
