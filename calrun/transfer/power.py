"""The smallest difference that paired runs could have told apart: what "open" means depends on it.

Dimension key: Q quantiles.
"""

from functools import cache

import numpy as np
from scipy import optimize, stats

LEVEL, POWER = 0.05, 0.8
QUANTILES = 20_000  # of the law of the estimated deviation, over which power is averaged


@cache
def detectable(num_pairs: int, num_comparisons: int = 1, power: float = POWER, level: float = LEVEL) -> float:
    """Returns the true difference that a paired t-test finds with this power, in standard deviations of differences.

    The test is two-sided at level / num_comparisons, which is the first step of Holm's. NaN below two pairs.
    """
    if num_pairs < 2:
        return float("nan")
    freedom = num_pairs - 1
    least = float(stats.t.isf(level / (2 * num_comparisons), freedom))
    shares_Q = (np.arange(QUANTILES) + 0.5) / QUANTILES
    estimated_Q = np.sqrt(stats.chi2.ppf(shares_Q, freedom) / freedom)  # deviations, where the true one is 1

    def lacking(difference: float) -> float:
        moved = difference * num_pairs**0.5
        found_Q = stats.norm.cdf(moved - least * estimated_Q) + stats.norm.cdf(-moved - least * estimated_Q)
        return float(found_Q.mean()) - power

    most = 1.0
    while lacking(most) < 0:
        most *= 2
    return float(optimize.brentq(lacking, 0.0, most, xtol=1e-6))
