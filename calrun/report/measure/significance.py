"""What a reviewer asks of a difference: paired by seed, tested, corrected for the number of comparisons, with its n."""

import numpy as np
import pandas as pd
from scipy import stats

from calrun.report.measure.curves import LINE, area_under_budget_curve
from calrun.report.measure.power import detectable

LEVEL = 0.95
FEWEST_TO_DRAW = 5  # seeds below which a bootstrap is too narrow
BOOTSTRAP_DRAWS = 10_000


def paired_t_test(differences_S: np.ndarray) -> float:
    """Returns the two-tailed p of a paired t-test; NaN for fewer than two pairs, or differences equal but not zero.

    Differences that are all zero give 1: nothing speaks for a difference. Differences that are equal but not zero would
    give t = inf from two or three seeds, which comes from coarse accuracies and is no evidence; they count as untested.
    """
    known_S = differences_S[~np.isnan(differences_S)]
    if len(known_S) < 2:
        return float("nan")
    if np.ptp(known_S) < 1e-12:
        return 1.0 if abs(known_S[0]) < 1e-12 else float("nan")
    t = known_S.mean() / (known_S.std(ddof=1) / len(known_S) ** 0.5)
    return float(2 * stats.t.sf(abs(t), len(known_S) - 1))


def holm(p_M: np.ndarray) -> np.ndarray:
    """Returns p-values corrected for their number (Holm 1979, step-down); NaN stays NaN and is not counted."""
    corrected_M = np.full(len(p_M), np.nan)
    known = np.flatnonzero(~np.isnan(p_M))
    order = known[np.argsort(p_M[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected_M[order] = np.minimum(np.maximum.accumulate(p_M[order] * factors), 1.0)
    return corrected_M


def interval(values_S: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Returns bounds of the mean over seeds: Student's t below FEWEST_TO_DRAW seeds, BCa bootstrap from there on.

    Fewer than two seeds have none (NaN). Every call draws the same.
    """
    known_S = values_S[~np.isnan(values_S)]
    n, mean = len(known_S), float(known_S.mean()) if len(known_S) else float("nan")
    if n < 2:
        return float("nan"), float("nan")
    if np.ptp(known_S) < 1e-12:
        return mean, mean
    if n >= FEWEST_TO_DRAW:
        return bca_interval(known_S, np.random.default_rng(0), level)
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * float(known_S.std(ddof=1)) / n**0.5
    return mean - half, mean + half


def bca_interval(values_S: np.ndarray, rng: np.random.Generator, level: float) -> tuple[float, float]:
    """Returns the bias-corrected and accelerated bootstrap bounds of a mean (Efron 1987)."""
    mean, n = values_S.mean(), len(values_S)
    drawn_R = values_S[rng.integers(n, size=(BOOTSTRAP_DRAWS, n))].mean(axis=1)
    below = (np.mean(drawn_R < mean) + np.mean(drawn_R <= mean)) / 2
    bias = stats.norm.ppf(below)
    away_S = values_S - mean  # how far the mean without each value is off, times 1 - n
    acceleration = (away_S**3).sum() / (6 * (away_S**2).sum() ** 1.5)
    z_2 = bias + stats.norm.ppf([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(drawn_R, stats.norm.cdf(bias + z_2 / (1 - acceleration * z_2)))
    return float(low), float(high)


def bands(table: pd.DataFrame, value: str = "accuracy", level: float = LEVEL) -> pd.DataFrame:
    """Returns the bounds lower and upper of the mean of `value` by line and budget."""
    rows = []
    for keys, own in table.groupby([*LINE, "labelled"]):
        rows.append((*keys, *interval(own[value].to_numpy(float), level)))
    return pd.DataFrame(rows, columns=[*LINE, "labelled", "lower", "upper"])


def band_said(counts: pd.Series) -> str:
    """Returns what the bands are for lines with these numbers of seeds, such as '95 % t interval of the mean'."""
    kinds = ["t"] * bool(((counts > 1) & (counts < FEWEST_TO_DRAW)).any())
    kinds += ["bootstrap (BCa)"] * bool((counts >= FEWEST_TO_DRAW).any())
    return f"95 % {' or '.join(kinds)} interval of the mean" if kinds else ""


def versus(table: pd.DataFrame, baseline: str, rows: str = "method", alpha: float = 0.05) -> pd.DataFrame:
    """Returns for each line its difference to `baseline`, paired by seed: at the last shared budget, and in area.

    With rows = 'acquisition' and baseline 'random' it answers "beats random?". The last shared budget is the last with
    two pairs (or with one, if none has two). Holm's correction runs over the lines of one measure.

    Columns: measure ('last budget' or 'area'), labelled, difference, n, sd (of the differences), p, p_holm, answer
    (better, worse, open: not told apart, untested: fewer than two pairs), detectable (the true difference that n pairs
    find with 80 % power at Holm's first step).
    """
    others = [name for name in ("method", "acquisition") if name != rows]
    areas = area_under_budget_curve(table).rename(columns={"area": "value"}).assign(labelled=0)
    accuracies = table[[*LINE, "seed", "labelled", "accuracy"]].rename(columns={"accuracy": "value"})
    tested = [
        tested_pairs(accuracies, baseline, rows).assign(measure="last budget"),
        tested_pairs(areas, baseline, rows).assign(measure="area"),
    ]
    result = pd.concat(tested, ignore_index=True)
    family = result.groupby([*others, "measure"])["p"]
    result["p_holm"] = family.transform(lambda p: holm(p.to_numpy(float)))
    result["detectable"] = reach(result["sd"], result["n"], family.transform("count"), alpha)
    result["answer"] = [
        answer(difference, p, alpha) for difference, p in zip(result["difference"], result["p_holm"], strict=True)
    ]
    return result


def reach(sd: pd.Series, n: pd.Series, comparisons: pd.Series, alpha: float) -> list[float]:
    """Returns for each row the true difference that n pairs find with 80 % power at Holm's first step; NaN untested."""
    rows = zip(sd, n, comparisons, strict=True)
    return [float(s) * detectable(int(k), max(1, int(m)), alpha) if k > 1 and s > 0 else np.nan for s, k, m in rows]


def tested_pairs(values: pd.DataFrame, baseline: str, rows: str) -> pd.DataFrame:
    """Returns mean difference, n, deviation and p for each line at its last budget with two pairs, or with one."""
    others = [name for name in ("method", "acquisition") if name != rows]
    pair = ["context", *others, "seed", "labelled"]
    base = values[values[rows] == baseline].drop_duplicates(pair, keep=False)
    paired = values[values[rows] != baseline].merge(base[[*pair, "value"]], on=pair, how="left", suffixes=("", "_base"))
    paired["difference"] = paired["value"] - paired["value_base"]
    groups = paired.groupby([*LINE, "labelled"])["difference"]
    tested = groups.agg(
        difference="mean", n="count", sd="std", p=lambda own: paired_t_test(own.to_numpy(float))
    ).reset_index()
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
