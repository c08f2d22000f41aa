"""Stochastic weight averaging. Izmailov et al. 2018; Beck et al. 2021 (DISTIL), App. C, as their notebooks train.

From the epoch in which the running train accuracy exceeds a threshold, the weights after each epoch are averaged, and
the learning rate moves back to where it began. The averaged network, its BatchNorm statistics measured anew on the
training rows, is what the fit ends with: it is evaluated, looks at the candidates, and is carried on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from calrun.method.finish import Finish
from calrun.method.fit.optimizer import OptimizerFactory
from calrun.method.fit.scale import fewer
from calrun.model.base import Classifier
from calrun.part.figures import EpochFigures
from calrun.part.piece import Look


@dataclass(frozen=True)
class Averaging:
    """When weights are averaged, and where the learning rate goes then.

    Differs from the notebooks: where no epoch was averaged, the fit ends as it would without averaging; the notebooks
    return the initial weights.

    Args:
        start_accuracy: running train accuracy that an epoch must exceed for the first average; 0.95 in Beck et al.
            `None` leaves the start to `start_epoch`.
        start_epoch: the epoch, from 1, after which averaging starts whatever the accuracy is; `None` leaves the start
            to `start_accuracy`.
        every_epochs: epochs from one average to the next; 1.
        lr_factor: what the learning rate moves to, times the one that the round begins with; 1 in the notebooks, so
            that it rises again.
        anneal_epochs: epochs of half a cosine in which it moves there; torch's default is 10.

    Raises:
        ValueError: nothing says when averaging starts, or a number is out of range.
    """

    start_accuracy: float | None
    start_epoch: int | None
    every_epochs: int
    lr_factor: float
    anneal_epochs: int

    def __post_init__(self) -> None:
        where, accuracy, epoch = "optimizer.averaging", self.start_accuracy, self.start_epoch
        if accuracy is None and epoch is None:
            raise ValueError(
                f"{where} wants start_accuracy or start_epoch, but both are null; the paper's start is 0.95"
            )
        if accuracy is not None and not 0 <= accuracy < 1:
            raise ValueError(
                f"{where}.start_accuracy wants an accuracy of at least 0 and below 1, which an epoch must exceed, but "
                f"is {accuracy}; the paper's is 0.95"
            )
        if min(self.every_epochs, self.anneal_epochs, 1 if epoch is None else epoch) < 1:
            raise ValueError(
                f"{where} wants start_epoch, every_epochs and anneal_epochs of at least 1, but they are {epoch}, "
                f"{self.every_epochs} and {self.anneal_epochs}; the notebooks' are null, 1 and 10"
            )
        if not 0 < self.lr_factor < math.inf:
            raise ValueError(f"{where}.lr_factor wants a finite number above 0, but is {self.lr_factor}; usual is 1")

    def starts(self, history: Sequence[EpochFigures]) -> bool:
        """Tells whether averaging starts with the last epoch of `history`, if it has not started before."""
        accurate = self.start_accuracy is not None and history[-1].train_accuracy > self.start_accuracy
        return accurate or (self.start_epoch is not None and len(history) >= self.start_epoch)

    def scaled(self, scale: float) -> "Averaging":
        """Returns the rule for a run with fewer epochs."""
        start = None if self.start_epoch is None else fewer(self.start_epoch, scale)
        return replace(self, start_epoch=start, anneal_epochs=fewer(self.anneal_epochs, scale))


@dataclass(frozen=True)
class AveragingOptimizer(OptimizerFactory):
    """Makes a round's optimizer and schedule, and averages the weights that they give.

    Raises:
        ValueError: the schedule moves at every step, and so would leave the averaging no say.
    """

    averaging: Averaging = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.schedule_every == "step":
            raise ValueError(
                "optimizer.averaging wants a schedule that moves after epochs, but schedule_every is step; choose epoch"
            )

    def scaled(self, scale: float) -> OptimizerFactory:
        return replace(self, schedule=super().scaled(scale).schedule, averaging=self.averaging.scaled(scale))

    def finishing(self, otherwise: Finish, scale: float) -> Finish:
        return Average(self.averaging.scaled(scale), otherwise)

    def rows_to_pass(self, num_rows: int) -> int:
        return num_rows


class Average(Finish):
    """The mean of the weights after the averaged epochs; if there were none, what the fit would end with otherwise.

    Args:
        averaging: when and how.
        otherwise: which weights a fit without averages ends with.
    """

    def __init__(self, averaging: Averaging, otherwise: Finish) -> None:
        self.averaging, self.otherwise = averaging, otherwise

    def begin(self) -> None:
        self.otherwise.begin()
        self.mean: dict[str, Tensor] = {}
        self.first_lrs: list[float] = []
        self.num_averaged = self.epochs_since = 0
        self.started = False

    def steer(self, optimizer: Optimizer) -> None:
        if not self.started:
            self.first_lrs = [group["lr"] for group in optimizer.param_groups]
            return
        for group, first in zip(optimizer.param_groups, self.first_lrs, strict=True):
            goal = self.averaging.lr_factor * group.get("initial_lr", first)
            group["lr"] = annealed(first, goal, self.epochs_since / self.averaging.anneal_epochs)

    def see(self, net: Classifier, history: Sequence[EpochFigures]) -> None:
        self.otherwise.see(net, history)
        self.started = self.started or self.averaging.starts(history)
        if not self.started:
            return
        if self.epochs_since % self.averaging.every_epochs == 0:
            self._take(net)
        self.epochs_since += 1

    def end(self, net: Classifier, look: Look) -> None:
        if not self.num_averaged:
            return self.otherwise.end(net, look)
        with torch.no_grad():
            for name, parameter in net.named_parameters():
                parameter.copy_(self.mean[name])
        return None

    def renews_batch_norm(self) -> bool:
        return bool(self.num_averaged) or self.otherwise.renews_batch_norm()

    def notes(self) -> dict[str, float]:
        return {**self.otherwise.notes(), "averaged_epochs": float(self.num_averaged)}

    def fit_state(self) -> dict[str, Any]:
        return {
            "mean": self.mean,
            "first_lrs": self.first_lrs,
            "num_averaged": self.num_averaged,
            "epochs_since": self.epochs_since,
            "started": self.started,
            "otherwise": self.otherwise.fit_state(),
        }

    def load_fit_state(self, state: dict[str, Any]) -> None:
        self.mean, self.first_lrs, self.started = state["mean"], state["first_lrs"], state["started"]
        self.num_averaged, self.epochs_since = state["num_averaged"], state["epochs_since"]
        self.otherwise.load_fit_state(state["otherwise"])

    def _take(self, net: Classifier) -> None:
        """Adds the weights to the mean in torch's order: mean + (weights - mean) / (n + 1)."""
        for name, parameter in net.named_parameters():
            weights = parameter.detach().cpu()
            before = self.mean.get(name)
            mean = weights.clone() if before is None else before + (weights - before) / (self.num_averaged + 1)
            self.mean[name] = mean
        self.num_averaged += 1


def annealed(first: float, goal: float, share: float) -> float:
    """Returns the learning rate on half a cosine from `first` at share 0 to `goal` at share 1 and later."""
    weight = (1 - math.cos(math.pi * min(1.0, share))) / 2
    return goal * weight + first * (1 - weight)
