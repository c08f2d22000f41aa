"""Overall uncertainty. Zhu, Wang, Hovy and Ma 2010, "Confidence-Based Stopping Criteria for Active Learning for Data
Annotation", ACM TSLP 6(3); 2008, "Multi-Criteria-Based Strategy to Stop Active Learning for Data Annotation", COLING.
"""

from collections.abc import Sequence

from calrun.stop_al.base import STOP_SET, StopAL, Told, values
from calrun.text.legal import at_least


class OverallUncertainty(StopAL):
    """Stops when the mean entropy of predictions on unlabelled rows falls below a threshold.

    Differs from the paper: the mean is over the unlabelled rows of the stop set, not over all; a stop set that is as
    large as the pool makes them the same.

    Args:
        threshold: in nats; Pullar-Strecker et al. 2021 take 0.01.
    """

    needs = frozenset({STOP_SET})

    def __init__(self, threshold: float) -> None:
        at_least(0, "stop_al", threshold=threshold)
        self.threshold = threshold

    def reason(self, rounds: Sequence[Told]) -> str:
        (entropy,) = values([rounds[-1].stop_set], "entropy")
        below = entropy < self.threshold
        return f"the mean entropy of unlabelled rows is {entropy:.4g}, below {self.threshold:g}" if below else ""
