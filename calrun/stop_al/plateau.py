"""Plateau: accuracy that no longer rises, on the validation split or as the network expects it of unlabelled rows.

The second needs no labels: the mean probability of the predicted class, as in the performance convergence of Laws and
Schütze 2008, "Stopping Criteria for Active Learning of Named Entity Recognition", COLING.
"""

from collections.abc import Sequence
from math import isnan
from typing import Literal

from calrun.stop_al.base import STOP_SET, VALIDATION, StopAL, Told, values
from calrun.text.legal import at_least, one_of


class Plateau(StopAL):
    """Stops when the best accuracy of the last rounds exceeds the best one before them by too little.

    Args:
        of: `validation`, the accuracy on the validation split, or `stop_set`, the mean confidence on unlabelled rows.
        gain: least rise of the best accuracy, a share from 0 to 1.
        window: rounds within which it must rise.
    """

    def __init__(self, of: Literal["validation", "stop_set"], gain: float, window: int) -> None:
        one_of("stop_al.of", of, (VALIDATION, STOP_SET))
        at_least(0, "stop_al", gain=gain)
        at_least(1, "stop_al", window=window)
        self.needs, self.earliest = frozenset({of}), window + 1
        self.of, self.gain, self.window = of, gain, window

    def reason(self, rounds: Sequence[Told]) -> str:
        if len(rounds) <= self.window:
            return ""
        seen = self._accuracies(rounds)
        earlier, latest = [value for value in seen[: -self.window] if not isnan(value)], seen[-self.window :]
        if not earlier or any(map(isnan, latest)) or max(latest) - max(earlier) >= self.gain:
            return ""
        rise = 100 * (max(latest) - max(earlier))
        lately = f"the last {self.window} rounds" if self.window > 1 else "the last round"
        what = "validation accuracy" if self.of == VALIDATION else "expected accuracy of unlabelled rows"
        return f"the best {what} of {lately} is {rise:+.2f} points from the best before, less than {100 * self.gain:+g}"

    def _accuracies(self, rounds: Sequence[Told]) -> list[float]:
        if self.of == VALIDATION:
            return values([each.validation for each in rounds], "accuracy")
        return values([each.stop_set for each in rounds], "confidence")
