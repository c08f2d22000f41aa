"""What a paired comparison over seeds can tell apart, and how many seeds it takes.

A comparison is a two-sided paired t-test at alpha / m, Holm's first step among m comparisons; power is the chance that
it finds a true difference (noncentral t).
"""

from functools import lru_cache
from math import sqrt

import numpy as np
from scipy import optimize, stats

ALPHA, POWER = 0.05, 0.8
MOST_SEEDS = 10_000
FARTHEST = 1e4  # standard deviations: beyond any difference that is asked about


def chance(difference: float, seeds: int, comparisons: int = 1, alpha: float = ALPHA) -> float:
    """Returns the power to find a true difference, given in standard deviations of the paired differences."""
    critical = float(stats.t.ppf(1 - alpha / (2 * comparisons), seeds - 1))
    shift = abs(difference) * sqrt(seeds)
    wrong_side = np.nan_to_num(stats.nct.cdf(-critical, seeds - 1, shift))  # scipy gives NaN where it is below 1e-6
    return float(stats.nct.sf(critical, seeds - 1, shift) + wrong_side)


@lru_cache(maxsize=1024)
def detectable(seeds: int, comparisons: int = 1, alpha: float = ALPHA, power: float = POWER) -> float:
    """Returns the smallest true difference that is found with this power, in standard deviations.

    NaN for fewer than two seeds.
    """
    if seeds < 2:
        return float("nan")

    def lacking(difference: float) -> float:
        return chance(difference, seeds, comparisons, alpha) - power

    high = 1.0
    while lacking(high) < 0 and high < FARTHEST:
        high *= 2
    return float(optimize.brentq(lacking, 0.0, high)) if high < FARTHEST else float("inf")


def seeds_needed(difference: float, comparisons: int = 1, alpha: float = ALPHA, power: float = POWER) -> int | None:
    """Returns the fewest seeds that find a difference, given in standard deviations; `None` beyond MOST_SEEDS."""
    fewest, most = 2, 2
    while chance(difference, most, comparisons, alpha) < power:
        fewest, most = most, 2 * most
        if most > MOST_SEEDS:
            return None
    while fewest < most:
        middle = (fewest + most) // 2
        if chance(difference, middle, comparisons, alpha) < power:
            fewest = middle + 1
        else:
            most = middle
    return most
