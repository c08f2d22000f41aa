"""The optimizer and the learning-rate schedule of a round; both are new in every round.

A schedule is a function of (epoch from 0, epochs of the round): the factor on the learning rate in that epoch, which is
a fraction where the schedule moves at every step.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from calrun.method.finish import Finish
from calrun.method.fit.beside import Beside, Schedule
from calrun.method.fit.scale import fewer
from calrun.text.legal import one_of

HEAD = "head."  # beginning of the names of the head's parameters, see calrun.model.base.Classifier


@dataclass(frozen=True)
class OptimizerFactory:
    """Makes a round's optimizer and schedule.

    Args:
        optimizer: a torch optimizer class with all arguments set but the parameters and the learning rate.
        lr: learning rate; only the backbone's if `head_lr` is given.
        scales_lr: whether rounds with replay multiply the learning rates by (m + m^(h)) / m. Das et al. do so for SGD
            and not for Adam, in their public code only.
        schedule: factor on the learning rates by epoch; `None` leaves them constant.
        head_lr: the head's own learning rate, in a second parameter group; `None` gives it the backbone's.
        schedule_every: whether the schedule moves at the end of each `epoch`, or at every `step`.

    Raises:
        ValueError: a learning rate is not finite, or not above 0.
    """

    optimizer: Callable[..., Optimizer]
    lr: float
    scales_lr: bool
    schedule: Schedule | None = None
    head_lr: float | None = None
    schedule_every: Literal["epoch", "step"] = "epoch"

    def __post_init__(self) -> None:
        one_of("optimizer.schedule_every", self.schedule_every, ("epoch", "step"))
        for name, value in [("lr", self.lr), ("head_lr", self.head_lr)]:
            if value is not None and not (0 < value < math.inf):
                raise ValueError(f"optimizer.{name} wants a finite learning rate above 0, but is {value}; correct it")

    def scaled(self, scale: float) -> "OptimizerFactory":
        """Returns the factory for a run with fewer epochs."""
        return replace(self, schedule=self.schedule.scaled(scale)) if isinstance(self.schedule, Step) else self

    def finishing(self, otherwise: Finish, scale: float) -> Finish:
        """Returns which weights a fit with this optimizer ends with, `otherwise` being those of its phase."""
        return otherwise

    def rows_to_pass(self, num_rows: int) -> int:
        """Returns how many rows pass through the network once more when a fit on `num_rows` rows has ended."""
        return 0

    def build(
        self,
        net: nn.Module,
        epochs: int,
        lr_scale: float = 1.0,
        trainable: Literal["all", "head"] = "all",
        beside: Sequence[Beside] = (),
        steps: int = 1,
    ) -> tuple[Optimizer, LambdaLR | None]:
        """Returns a new optimizer over the parameters of `net` and its schedule, to be stepped after every epoch.

        A schedule that moves at every step is part of the optimizer, whose state knows how many it has taken.

        Args:
            net: its parameters are given to the optimizer; none is frozen or thawed here.
            epochs: the largest number of epochs of the round, over which the schedule runs.
            lr_scale: factor on the learning rates, (m + m^(h)) / m in a round with replay; has no effect if
                `scales_lr` is off.
            trainable: all parameters or the head's alone.
            beside: parameters of modules beside the network, in groups of their own behind the network's.
            steps: of an epoch, for a schedule that moves at each.

        Raises:
            ValueError: the head is to be trained apart, but the network has none.
        """
        scale = lr_scale if self.scales_lr else 1.0
        own = self._groups(net, scale, trainable)
        optimizer = self.optimizer([*own, *(each.group(scale) for each in beside)], lr=self.lr * scale)
        schedules = [*[self.schedule] * len(own), *(each.schedule(self.schedule) for each in beside)]
        if not any(schedules):
            return optimizer, None
        factors = [over(epochs, schedule) for schedule in schedules]
        if self.schedule_every == "step":
            return moving(optimizer, factors, steps), None
        return optimizer, LambdaLR(optimizer, [*factors])

    def _groups(self, net: nn.Module, scale: float, trainable: Literal["all", "head"]) -> list[dict[str, Any]]:
        if trainable == "all" and self.head_lr is None:
            return [{"params": list(net.parameters())}]
        head = {"params": [p for name, p in net.named_parameters() if name.startswith(HEAD)]}
        if not head["params"]:
            raise ValueError(
                f"optimizer wants a network with its own head for trainable={trainable} and head_lr={self.head_lr}, "
                f"but {type(net).__name__} has no parameter whose name begins with {HEAD!r}; "
                "leave optimizer.head_lr out"
            )
        head_lr = self.lr if self.head_lr is None else self.head_lr
        head_group = {**head, "lr": head_lr * scale}
        if trainable == "head":
            return [head_group]
        return [{"params": [p for name, p in net.named_parameters() if not name.startswith(HEAD)]}, head_group]


def over(epochs: int, schedule: Schedule | None) -> Callable[[float], float]:
    """Returns the factor on a learning rate by epoch, 1 without a schedule; what comes after the last is like it."""
    if schedule is None:
        return lambda epoch: 1.0
    return lambda epoch: schedule(min(epoch, epochs), epochs)


def moving(optimizer: Optimizer, factors: Sequence[Callable[[float], float]], steps: int) -> Optimizer:
    """Lets an optimizer set its learning rates after each step; the number of steps is kept in its groups.

    Args:
        optimizer: as it begins.
        factors: of each group, on the learning rate it begins with, by epoch.
        steps: of an epoch.
    """
    for group, factor in zip(optimizer.param_groups, factors, strict=True):
        group["first_lr"], group["steps_taken"] = group["lr"], 0
        group["lr"] = group["first_lr"] * factor(0)

    def move(optimizer: Optimizer, *_: Any) -> None:
        for group, factor in zip(optimizer.param_groups, factors, strict=True):
            group["steps_taken"] += 1
            group["lr"] = group["first_lr"] * factor(group["steps_taken"] / steps)

    optimizer.register_step_post_hook(move)
    return optimizer


def begin_anew(optimizer: Optimizer, schedule: Any) -> None:
    """Forgets what an optimizer has gathered, and lets its schedule begin again.

    Args:
        optimizer: that of a fit.
        schedule: a LambdaLR over it; `None` if there is none, or the optimizer moves its rates itself.
    """
    optimizer.state.clear()
    for group in optimizer.param_groups:
        if "steps_taken" in group:
            group["steps_taken"], group["lr"] = 0, group["first_lr"]
    if schedule is not None:
        schedule.last_epoch = -1
        schedule.step()


def cosine(epoch: float, epochs: int) -> float:
    """Returns half a cosine from 1 in the first epoch to 0 after the last: SGD in Das et al. and in Beck et al."""
    return (1 + math.cos(math.pi * epoch / epochs)) / 2


def cosine_to_a_fifth(epoch: float, epochs: int) -> float:
    """Returns cos(7/16 pi t), from 1 to 0.195 after the last epoch: linear probing in Wen et al. 2024.

    In the authors' code t moves at every step: `schedule_every: step`.
    """
    return math.cos(7 / 16 * math.pi * epoch / epochs)


@dataclass(frozen=True)
class Step:
    """Multiplies the learning rate by `factor` at each milestone.

    Args:
        milestones: whole numbers are epochs (30, 40 for ImageNet in Wen et al. 2024), decimal ones shares of the round
            (0.8 in the supplement of DISAL).
        factor: what a milestone multiplies the learning rate by; 0.1 in the papers.
    """

    milestones: Sequence[int | float]
    factor: float

    def __call__(self, epoch: float, epochs: int) -> float:
        """Returns the factor in an epoch of a round, counted from 0."""
        at = [each if isinstance(each, int) else round(each * epochs, ndigits=6) for each in self.milestones]
        return float(self.factor ** sum(epoch >= milestone for milestone in at))

    def scaled(self, scale: float) -> "Step":
        """Returns the schedule for a round with fewer epochs."""
        milestones = [fewer(each, scale) if isinstance(each, int) else each for each in self.milestones]
        return Step(milestones, self.factor)
