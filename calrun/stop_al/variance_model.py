"""Variance model (VM, and with a least decrease EVM). Ghayoomi 2010, "Using Variance as a Stopping Criterion for Active
Learning of Frame Assignment", NAACL-HLT Workshop on Active Learning for NLP.
"""

from collections.abc import Sequence
from itertools import pairwise

from calrun.stop_al.base import STOP_SET, StopAL, Told, values
from calrun.text.legal import at_least


class VarianceModel(StopAL):
    """Stops when the variance of the confidence on unlabelled rows has decreased in consecutive rounds.

    The confidence is the probability of the predicted class. Its variance rises while the network learns to tell easy
    rows from hard ones, and falls once it is confident of most.

    Differs from the paper: the variance is over the unlabelled rows of the stop set, not over all.

    Args:
        decreases: consecutive decreases; the paper's is 2.
        drop: by more than which the variance must have decreased each time; 0 is VM, more is EVM (0.001 in
            Pullar-Strecker et al. 2021).
    """

    needs = frozenset({STOP_SET})

    def __init__(self, decreases: int, drop: float) -> None:
        at_least(1, "stop_al", decreases=decreases)
        at_least(0, "stop_al", drop=drop)
        self.decreases, self.drop, self.earliest = decreases, drop, decreases + 1

    def reason(self, rounds: Sequence[Told]) -> str:
        variances = values([each.stop_set for each in rounds[-self.decreases - 1 :]], "confidence_variance")
        if len(variances) <= self.decreases or not all(a - b > self.drop for a, b in pairwise(variances)):
            return ""
        shown = " to ".join(f"{variance:.4g}" for variance in variances)
        return f"the variance of the confidence on unlabelled rows has decreased from {shown}"
