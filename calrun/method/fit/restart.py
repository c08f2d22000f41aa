"""DISTIL's emergency restart: a fit that has learned nothing begins again from new weights. Beck et al. 2021, code."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from calrun.method.fit.scale import fewer
from calrun.method.fit.stop import StoppingRule
from calrun.part.figures import EpochFigures


@dataclass(frozen=True)
class Restarting:
    """Ends a fit when another rule does; before that, new weights and a new optimizer replace those that do not learn.

    The number of epochs and their figures go on, as in the authors' code.

    Differs from the code: it counts epochs from 1 at the first one's beginning, so that its epoch 50 has trained 49
    times; and it may draw new weights in the epoch in which the fit ends.

    Args:
        rule: when the fit ends.
        every: after how many epochs, and multiples of them, the accuracy is looked at; 50.
        below: running train accuracy in (0, 1] under which the fit begins again; 0.2.

    Raises:
        ValueError: a number is out of range.
    """

    rule: StoppingRule
    every: int
    below: float

    def __post_init__(self) -> None:
        if self.every < 1 or not 0 < self.below <= 1:
            raise ValueError(
                f"stop: a restart wants every of at least 1 epoch and below of an accuracy above 0 and up to 1, but "
                f"they are {self.every} and {self.below}; the authors' are 50 and 0.2"
            )

    @property
    def needs_validation(self) -> bool:
        return self.rule.needs_validation

    @property
    def max_epochs(self) -> int:
        return self.rule.max_epochs

    def reason(self, history: Sequence[EpochFigures]) -> str | None:
        return self.rule.reason(history)

    def begins_again(self, history: Sequence[EpochFigures]) -> bool:
        """Tells whether the weights after the last epoch of `history` are given up."""
        return len(history) % self.every == 0 and history[-1].train_accuracy < self.below

    def scaled(self, scale: float) -> Self:
        return replace(self, rule=self.rule.scaled(scale), every=fewer(self.every, scale))

    def in_round(self, number: int) -> Self:
        return replace(self, rule=self.rule.in_round(number))


def begins_again(rule: StoppingRule, history: Sequence[EpochFigures]) -> bool:
    """Tells whether a fit that goes on does so from new weights; a rule need not have an opinion."""
    asked = getattr(rule, "begins_again", None)
    return asked is not None and bool(asked(history))
