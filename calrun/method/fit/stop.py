"""When the training of a round ends: pure functions of what the epochs so far have shown."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, Self

from calrun.method.fit.scale import fewer
from calrun.part.figures import EpochFigures

MAX_EPOCHS = "max epochs"


class StoppingRule(Protocol):
    """Says why a round ends; a round that is resumed asks again with the same history and gets the same answer."""

    @property
    def needs_validation(self) -> bool: ...

    @property
    def max_epochs(self) -> int: ...

    def reason(self, history: Sequence[EpochFigures]) -> str | None:
        """Returns why training ends after the last epoch of `history`, or `None` if it goes on."""
        ...

    def scaled(self, scale: float) -> "StoppingRule":
        """Returns the rule for a run with fewer epochs."""
        ...

    def in_round(self, number: int) -> "StoppingRule":
        """Returns the rule of one round."""
        ...


class EveryRound:
    """Rules that are the same in all rounds."""

    def in_round(self, number: int) -> Self:
        """Returns the rule of one round."""
        return self


@dataclass(frozen=True)
class FixedEpochs(EveryRound):
    """Ends after exactly `epochs` epochs."""

    needs_validation: ClassVar[bool] = False
    epochs: int

    def __post_init__(self) -> None:
        _require_epochs("epochs", self.epochs)

    @property
    def max_epochs(self) -> int:
        return self.epochs

    def scaled(self, scale: float) -> Self:
        return replace(self, epochs=fewer(self.epochs, scale))

    def reason(self, history: Sequence[EpochFigures]) -> str | None:
        return MAX_EPOCHS if len(history) >= self.epochs else None


@dataclass(frozen=True)
class TrainAccuracy(EveryRound):
    """Ends when the running train accuracy reaches a threshold.

    Args:
        max_epochs: epochs at most; 100 in the public configurations of Das et al. 2023.
        threshold: accuracy in (0, 1]; 0.99 in Das et al. and in Beck et al. 2021.
    """

    needs_validation: ClassVar[bool] = False
    max_epochs: int
    threshold: float

    def __post_init__(self) -> None:
        _require_epochs("max_epochs", self.max_epochs)
        _require_threshold(self.threshold)

    def scaled(self, scale: float) -> Self:
        return replace(self, max_epochs=fewer(self.max_epochs, scale))

    def reason(self, history: Sequence[EpochFigures]) -> str | None:
        if history and history[-1].train_accuracy >= self.threshold:
            return f"train accuracy {100 * self.threshold:g} %"
        return MAX_EPOCHS if len(history) >= self.max_epochs else None


@dataclass(frozen=True)
class Saturation(EveryRound):
    """Ends at a train accuracy, or when that accuracy has stopped growing. Beck et al. 2021 (DISTIL), Sec. 4.

    Differs from the paper: "no improvement over 10 epochs" is the rule of the authors' code: among the last `window`
    epochs, none exceeds an earlier one by `min_diff` or more. The code also trains one epoch less than its maximum, and
    begins again from new weights if the accuracy stays under 0.2, which stop=distil does.

    Args:
        max_epochs: epochs at most; 300, and 150 for Fashion-MNIST and SVHN.
        threshold: train accuracy in (0, 1]; 0.99.
        window: epochs that are compared; 10.
        min_diff: accuracy that counts as growth; 0.001.
    """

    needs_validation: ClassVar[bool] = False
    max_epochs: int
    threshold: float
    window: int
    min_diff: float

    def __post_init__(self) -> None:
        _require_epochs("max_epochs", self.max_epochs)
        _require_threshold(self.threshold)
        if self.window < 2 or self.min_diff <= 0:
            raise ValueError(
                f"stop: saturation wants a window of at least 2 epochs and a min_diff above 0, but has "
                f"window={self.window} and min_diff={self.min_diff}; the paper's are 10 and 0.001"
            )

    def scaled(self, scale: float) -> Self:
        return replace(self, max_epochs=fewer(self.max_epochs, scale), window=fewer(self.window, scale, least=2))

    def reason(self, history: Sequence[EpochFigures]) -> str | None:
        reached = TrainAccuracy(self.max_epochs, self.threshold).reason(history)
        if reached is None and self._is_saturated([epoch.train_accuracy for epoch in history[-self.window :]]):
            return "saturated"
        return reached

    def _is_saturated(self, accuracies: list[float]) -> bool:
        if len(accuracies) < self.window:
            return False
        lowest, growth = accuracies[0], 0.0
        for accuracy in accuracies:
            lowest = min(lowest, accuracy)
            growth = max(growth, accuracy - lowest)
        return growth < self.min_diff


@dataclass(frozen=True)
class EarlyStopping(EveryRound):
    """Ends when more than `patience` epochs have passed since the best validation accuracy. Emam et al. 2021, App. A.1.

    An equal accuracy counts as better, as in the authors' code; the weights to go on with are those of `best_epoch`.

    Args:
        max_epochs: epochs at most; 200 for CIFAR-10, 60 for ImageNet (Table 3).
        patience: how many epochs without a new best are allowed; 50 and 30 (Table 3).
    """

    needs_validation: ClassVar[bool] = True
    max_epochs: int
    patience: int

    def __post_init__(self) -> None:
        _require_epochs("max_epochs", self.max_epochs)
        if self.patience < 0:
            raise ValueError(
                f"stop: patience wants 0 epochs or more, but is {self.patience}; the paper's are 50 and 30"
            )

    def best_epoch(self, history: Sequence[EpochFigures]) -> int:
        """Returns the index, from 0, of the last epoch with the best validation accuracy."""
        accuracies = [_val_accuracy(epoch) for epoch in history]
        return max(range(len(accuracies)), key=lambda epoch: (accuracies[epoch], epoch))

    def scaled(self, scale: float) -> Self:
        return replace(self, max_epochs=fewer(self.max_epochs, scale), patience=fewer(self.patience, scale))

    def reason(self, history: Sequence[EpochFigures]) -> str | None:
        if history and len(history) - 1 - self.best_epoch(history) > self.patience:
            return f"val accuracy has not improved for more than {self.patience} epochs"
        return MAX_EPOCHS if len(history) >= self.max_epochs else None


@dataclass(frozen=True)
class FirstThenLater:
    """One rule for round 1 and another for later rounds: Das et al. 2023 fix the epochs of rounds with replay."""

    first: StoppingRule
    later: StoppingRule

    @property
    def needs_validation(self) -> bool:
        return self.first.needs_validation or self.later.needs_validation

    @property
    def max_epochs(self) -> int:
        return max(self.first.max_epochs, self.later.max_epochs)

    def reason(self, history: Sequence[EpochFigures]) -> str | None:
        """Refuses, because a fit asks the rule of its own round.

        Raises:
            TypeError: always.
        """
        raise TypeError("ask the rule of a round: FirstThenLater.in_round(number)")

    def scaled(self, scale: float) -> Self:
        return replace(self, first=self.first.scaled(scale), later=self.later.scaled(scale))

    def in_round(self, number: int) -> StoppingRule:
        return self.first if number == 1 else self.later


def _val_accuracy(epoch: EpochFigures) -> float:
    if epoch.val_accuracy is None:
        raise ValueError(
            "stop: early stopping wants a validation accuracy after every epoch, but the data set has no validation "
            "split; give it one or choose another stopping rule"
        )
    return epoch.val_accuracy


def _require_epochs(name: str, epochs: int) -> None:
    if epochs < 1:
        raise ValueError(f"stop: {name} wants at least 1 epoch, but is {epochs}; correct it")


def _require_threshold(threshold: float) -> None:
    if not 0 < threshold <= 1:
        raise ValueError(
            f"stop: threshold wants an accuracy above 0 and up to 1, but is {threshold}; the papers' is 0.99"
        )
