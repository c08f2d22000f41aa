"""How many labels a choice saves against a mean baseline, and what a run costs. Wen et al. 2024, Sec. 6.2 to 6.4.

The paper does not say what happens where a baseline falls, or where an accuracy lies outside its range. Here, the
baseline is the mean over its seeds and its running maximum, lines connect its points, and an accuracy outside counts
as the first or last number of labels, or lies on the last line continued; how many were is told.

Dimension key: T rounds, S seeds.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from calrun.text.legal import at_least, one_of


@dataclass(frozen=True)
class Saving:
    """What a run saves on average over its rounds.

    Args:
        ratio: mean of (N_2 - N_1) / N_2; negative where the baseline needs fewer labels.
        rounds: how many rounds have a ratio.
        clipped: in how many of them the accuracy lay outside the baseline's range.
    """

    ratio: float
    rounds: int
    clipped: int


def running_best(accuracy_ST: np.ndarray) -> np.ndarray:
    """Returns the mean over seeds at each budget, raised to the best one before it (T,)."""
    best_T: np.ndarray = np.maximum.accumulate(np.atleast_2d(accuracy_ST).mean(axis=0))
    return best_T


def equivalent_labels(
    labels_T: np.ndarray, best_T: np.ndarray, accuracy: float, extrapolate: Literal["none", "linear"] = "none"
) -> tuple[float, bool]:
    """Returns N_2, the labels that the baseline needs for an accuracy, and whether that lies outside its range.

    Args:
        labels_T: its budgets, increasing.
        best_T: its accuracy there, which never falls.
        accuracy: to be reached.
        extrapolate: above its best accuracy, `none` is its last budget, `linear` continues its last rising line.
    """
    one_of("extrapolate", extrapolate, ("none", "linear"))
    if accuracy < best_T[0]:
        return float(labels_T[0]), True
    if accuracy > best_T[-1]:
        rising = np.flatnonzero(np.diff(best_T) > 0)
        if extrapolate == "none" or not len(rising):
            return float(labels_T[-1]), True
        last = rising[-1]
        slope = (labels_T[last + 1] - labels_T[last]) / (best_T[last + 1] - best_T[last])
        return float(labels_T[last + 1] + slope * (accuracy - best_T[last + 1])), True
    first = int(np.searchsorted(best_T, accuracy))  # the first budget that reaches it
    if best_T[first] == accuracy or first == 0:
        return float(labels_T[first]), False
    return float(np.interp(accuracy, best_T[first - 1 : first + 1], labels_T[first - 1 : first + 1])), False


def sample_saving(
    labels_T: np.ndarray,
    accuracy_T: np.ndarray,
    baseline_labels_T: np.ndarray,
    baseline_ST: np.ndarray,
    extrapolate: Literal["none", "linear"] = "none",
    skip_first: bool = False,
) -> Saving:
    """Returns the sample saving ratio of a run, averaged over its rounds; one that was not evaluated has none.

    Args:
        labels_T: the run's labels N_1 by round.
        accuracy_T: its accuracy; NaN where it was not evaluated.
        baseline_labels_T: the baseline's labels.
        baseline_ST: its accuracy, for each seed.
        extrapolate: as in `equivalent_labels`.
        skip_first: leaves the run's first round out, which is random for both and saves about nothing.
    """
    best_T, ratios, clipped = running_best(baseline_ST), list[float](), 0
    pairs = [pair for pair in zip(labels_T, accuracy_T, strict=True) if not np.isnan(pair[1])]
    for number, (labels, accuracy) in enumerate(pairs):
        if skip_first and number == 0 and labels == labels_T[0]:
            continue
        wanted, outside = equivalent_labels(baseline_labels_T, best_T, float(accuracy), extrapolate)
        ratios.append((wanted - labels) / wanted)
        clipped += outside
    return Saving(float(np.mean(ratios)) if ratios else float("nan"), len(ratios), clipped)


@dataclass(frozen=True)
class Prices:
    """What labels and training cost; the paper prints none, so there are no defaults.

    Args:
        label: of one answer of one annotator.
        reviews: answers for each row; 3 in the paper.
        hour: of an hour of the device.
    """

    label: float
    reviews: int
    hour: float

    def __post_init__(self) -> None:
        at_least(0, "prices", label=self.label, hour=self.hour)
        at_least(1, "prices", reviews=self.reviews)

    def cost(self, labels: float, seconds: float) -> float:
        """Returns N_1 P_l + C_tr of labels bought and seconds of the device used."""
        return labels * self.label * self.reviews + seconds / 3600 * self.hour
