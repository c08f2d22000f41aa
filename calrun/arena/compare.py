"""Every acquisition against a baseline on each data set: paired over seeds, with what could have been told apart.

Differences are in points of the area under the curve of accuracy over labels. Sets are never pooled here: on each the
question is "on this set", and the answers are counted.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from calrun.report.measure.power import ALPHA, detectable
from calrun.report.measure.significance import holm, interval, paired_t_test

GROUND = ["budget", "set"]
BETTER, SAME, OPEN, WORSE, UNTESTED = "better", "same", "open", "worse", "untested"
ANSWERS = (BETTER, SAME, OPEN, WORSE)
COLUMNS = [
    *GROUND, "acquisition", "n", "difference", "low", "high", "sd", "detectable", "p", "p_holm", "answer",
]  # fmt: skip


def versus(cells: pd.DataFrame, baseline: str, asked: float, alpha: float = ALPHA) -> pd.DataFrame:
    """Returns a row for each acquisition and ground.

    Args:
        cells: budget, set, acquisition, seed and value, a number for each cell.
        baseline: the acquisition that others are compared with.
        asked: the difference in points that matters; `same` means that two one-sided tests exclude it.
        alpha: level of Holm's correction over the acquisitions of one ground.

    Returns:
        The mean paired difference, its 95 % interval, the standard deviation of the differences, the true difference
        that n seeds find with 80 % power at Holm's first step, p before and after correction, and the answer. A seed
        that one of the two lacks is left out of their pairs.
    """
    rows = []
    for keys, ground in cells.groupby(GROUND, sort=False):
        wide = ground.pivot(index="seed", columns="acquisition", values="value")
        if baseline not in wide:
            continue
        others = [name for name in wide.columns if name != baseline]
        rows += tested(dict(zip(GROUND, keys, strict=True)), wide[others].sub(wide[baseline], axis=0), asked, alpha)
    return pd.DataFrame(rows, columns=COLUMNS)


def tested(where: dict[str, Any], differences: pd.DataFrame, asked: float, alpha: float) -> list[dict[str, Any]]:
    """Returns the rows of one ground from the differences by seed, a column for each acquisition."""
    columns = {str(name): column.dropna().to_numpy(float) for name, column in differences.items()}
    rows = decided([summary(known_S) for known_S in columns.values()], asked, alpha)
    for (name, known_S), row in zip(columns.items(), rows, strict=True):
        row["low"], row["high"] = interval(known_S)
        row |= where | {"acquisition": name}
    return rows


def decided(rows: list[dict[str, Any]], asked: float, alpha: float) -> list[dict[str, Any]]:
    """Returns the rows of one ground with p after Holm's correction, what could be told apart, and the answer."""
    p_holm = holm(np.array([row["p"] for row in rows], dtype=float))
    comparisons = max(1, int(np.isfinite(p_holm).sum()))
    for row, p in zip(rows, p_holm, strict=True):
        row["p_holm"] = float(p)
        row["detectable"] = row["sd"] * detectable(row["n"], comparisons, alpha) if row["sd"] > 0 else row["sd"]
        row["answer"] = answer(row, asked, alpha, comparisons)
    return rows


def summary(differences_S: np.ndarray) -> dict[str, Any]:
    """Returns n, mean, standard deviation and p of paired differences."""
    n = len(differences_S)
    return {
        "n": n,
        "difference": float(differences_S.mean()) if n else float("nan"),
        "sd": float(differences_S.std(ddof=1)) if n > 1 else float("nan"),
        "p": paired_t_test(differences_S),
    }


def answer(row: dict[str, Any], asked: float, alpha: float, comparisons: int) -> str:
    """Returns better, worse, same (a difference of `asked` points is excluded), open, or untested without a test."""
    if np.isnan(row["p_holm"]):
        return UNTESTED
    if row["p_holm"] < alpha:
        return BETTER if row["difference"] > 0 else WORSE
    half = float(stats.t.ppf(1 - alpha / comparisons, row["n"] - 1)) * row["sd"] / row["n"] ** 0.5
    is_excluded = abs(row["difference"]) + half < asked
    return SAME if is_excluded and row["detectable"] <= asked else OPEN


def counts(compared: pd.DataFrame) -> pd.DataFrame:
    """Returns how many sets gave each answer, a row for each budget and acquisition."""
    table = compared.groupby(["budget", "acquisition"])["answer"].value_counts().unstack(fill_value=0)
    return table.reindex(columns=list(ANSWERS), fill_value=0)


def whole(cells: pd.DataFrame, sets: Sequence[str], seeds: int) -> pd.Series:
    """Returns for each budget and acquisition whether it has a value for every seed on every set."""
    number = cells.dropna(subset=["value"]).groupby(["budget", "acquisition"]).size()
    return number == len(sets) * seeds
