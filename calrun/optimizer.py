"""How weights are moved: an optimizer and its schedule, both new in every round."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, MultiStepLR, StepLR


@dataclass(frozen=True)
class Recipe:
    """An optimizer with its learning rate.

    Args:
        optimizer: makes an optimizer of parameter groups.
        lr: learning rate of the first epoch.
        schedule: makes a schedule, stepped once an epoch, of (optimizer, epochs of the fit); none keeps lr.
        scales_lr: whether rounds that replay multiply lr by (m + r) / m; the CAL code does it for SGD and not for Adam.
        head_lr: learning rate of the head, if it has one of its own (fine-tuning).
    """

    optimizer: Callable[..., Optimizer]
    lr: float
    schedule: Callable[[Optimizer, int], LRScheduler] | None = None
    scales_lr: bool = False
    head_lr: float | None = None

    def build(
        self, net: nn.Module, epochs: int, lr_scale: float = 1.0, trainable: str = "all"
    ) -> tuple[Optimizer, LRScheduler | None]:
        """Returns a new optimizer of the trainable weights and its schedule over `epochs`."""
        scale = lr_scale if self.scales_lr else 1.0
        optimizer = self.optimizer(self._groups(net, scale, trainable), lr=self.lr * scale)
        return optimizer, None if self.schedule is None else self.schedule(optimizer, epochs)

    def _groups(self, net: nn.Module, scale: float, trainable: str) -> list[dict[str, Any]]:
        if trainable == "all" and self.head_lr is None:
            return [{"params": list(net.parameters())}]
        head = net.get_submodule("head")
        head_group = {"params": list(head.parameters()), "lr": (self.head_lr or self.lr) * scale}
        of_head = {id(parameter) for parameter in head.parameters()}
        backbone = [parameter for parameter in net.parameters() if id(parameter) not in of_head]
        return [head_group] if trainable == "head" else [{"params": backbone}, head_group]


def cosine(optimizer: Optimizer, epochs: int) -> LRScheduler:
    """Lets the learning rate fall to 0 over the fit along half a cosine."""
    return CosineAnnealingLR(optimizer, T_max=epochs)


def part_cosine(optimizer: Optimizer, epochs: int, part: float = 7 / 16) -> LRScheduler:
    """Multiplies the learning rate by cos(part * pi * t), t from 0 to 1: 7/16 ends at 0.195 (Wen et al. 2024, code)."""
    return LambdaLR(optimizer, lambda epoch: math.cos(part * math.pi * epoch / epochs))


def every(optimizer: Optimizer, epochs: int, step_epochs: int, factor: float) -> LRScheduler:
    """Multiplies the learning rate by `factor` each `step_epochs` epochs."""
    return StepLR(optimizer, step_size=step_epochs, gamma=factor)


def at_share(optimizer: Optimizer, epochs: int, share: float, factor: float) -> LRScheduler:
    """Multiplies the learning rate by `factor` once, after this share of the fit."""
    return MultiStepLR(optimizer, milestones=[round(share * epochs)], gamma=factor)
