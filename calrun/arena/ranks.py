"""Mean ranks over data sets, and the difference of two that Nemenyi's test needs: Demsar 2006, Sec. 3.2.2.

Seeds are averaged inside each data set first; the data sets are the sample. Ties take mean ranks.

Dimension key: N data sets, K acquisitions.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import pandas as pd
import scikit_posthocs
from scipy import stats

from calrun.report.measure.power import ALPHA


@dataclass(frozen=True)
class Ranks:
    """The ranking of one budget.

    Args:
        mean: rank 1 is the best, by acquisition, in rising order.
        critical_difference: of two mean ranks; NaN for fewer than two data sets or acquisitions.
        p: Nemenyi's p of each pair.
        num_sets: N.
    """

    mean: pd.Series
    critical_difference: float
    p: pd.DataFrame
    num_sets: int

    @property
    def num_apart(self) -> int:
        """How many pairs are told apart."""
        upper = np.triu(self.p.to_numpy(float) < ALPHA, k=1)
        return int(upper.sum())

    def said(self) -> str:
        """Returns what the ranking can and cannot say."""
        k, n = len(self.mean), self.num_sets
        if np.isnan(self.critical_difference):
            return (
                f"{k} acquisition{'s' * (k != 1)} on {n} data set{'s' * (n != 1)}: too few, so that nothing is tested"
            )
        least = f"CD = {self.critical_difference:.2f} of at most {k - 1} ranks (Nemenyi, {k} on {n} sets, 5 %)"
        if not self.num_apart:
            return f"{least}: no two of them are told apart"
        return f"{least}: {self.num_apart} of {k * (k - 1) // 2} pairs are told apart"


def ranked(values_NK: pd.DataFrame) -> Ranks:
    """Returns the ranks of acquisitions (columns) over data sets (rows), from one number each; more is better."""
    num_sets, k = values_NK.shape
    mean = values_NK.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
    if num_sets < 2 or k < 2:
        empty = pd.DataFrame(np.ones((k, k)), index=values_NK.columns, columns=values_NK.columns)
        return Ranks(mean, float("nan"), empty, num_sets)
    p = scikit_posthocs.posthoc_nemenyi_friedman(values_NK.reset_index(drop=True))
    return Ranks(mean, critical_difference(k, num_sets), p, num_sets)


def critical_difference(k: int, num_sets: int, alpha: float = ALPHA) -> float:
    """Returns q sqrt(K (K + 1) / (6 N)), q the studentised range over sqrt(2)."""
    q = float(stats.studentized_range.ppf(1 - alpha, k, np.inf)) / sqrt(2)
    return q * sqrt(k * (k + 1) / (6 * num_sets))
