"""Stabilizing predictions. Bloodgood and Vijay-Shanker 2009, "A Method for Stopping Active Learning Based on
Stabilizing Predictions and the Need for User-Adjustable Stopping", CoNLL, Sec. 4.
"""

from collections.abc import Sequence
from math import fsum

from calrun.stop_al.base import STOP_SET, StopAL, Told, values
from calrun.text.legal import at_least


class StabilisingPredictions(StopAL):
    """Stops when networks of consecutive rounds predict nearly the same classes for the stop set.

    Their agreement is Cohen's kappa, and its mean over the last `window` pairs of networks must reach the threshold.

    Args:
        threshold: of the mean kappa, up to 1; the paper's is 0.99.
        window: pairs of consecutive networks; the paper's is 3.
    """

    needs = frozenset({STOP_SET})

    def __init__(self, threshold: float, window: int) -> None:
        at_least(1, "stop_al", window=window)
        if not 0 < threshold <= 1:
            raise ValueError(f"stop_al.threshold wants a kappa above 0 up to 1, got {threshold}")
        self.threshold, self.window, self.earliest = threshold, window, window + 1

    def reason(self, rounds: Sequence[Told]) -> str:
        kappas = values([each.stop_set for each in rounds[-self.window :]], "kappa")
        mean = fsum(kappas) / len(kappas)
        if len(kappas) < self.window or not mean >= self.threshold:
            return ""
        pairs = f"{self.window} pairs" if self.window > 1 else "pair"
        return f"the mean kappa of the last {pairs} of networks is {mean:.4f}, at least {self.threshold:g}"
