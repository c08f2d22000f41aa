"""Parameters beside the network in the optimizer of its fits, with settings of their own where a head has them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import nn
from torch.optim import Optimizer

from calrun.text.legal import at_least

Schedule = Callable[[float, int], float]  # of (epoch from 0, epochs of the round): the factor on the learning rate
NETWORKS: Literal["network"] = "network"


@dataclass(frozen=True)
class HeadOptimizer:
    """What a head's parameters have of their own in the network's optimizer.

    Args:
        lr: learning rate; `None` is the network's. Where the network's is scaled in rounds with replay, so is this.
        weight_decay: `None` is the network's.
        schedule: factor on the learning rate by epoch: `network` for the network's, `None` for a constant rate.
    """

    lr: float | None = None
    weight_decay: float | None = None
    schedule: Schedule | Literal["network"] | None = NETWORKS

    def __post_init__(self) -> None:
        if self.lr is not None and not 0 < self.lr < math.inf:
            raise ValueError(
                f"acquisition.head_optimizer.lr wants a finite learning rate above 0, or null, got {self.lr}"
            )
        at_least(0, "acquisition.head_optimizer", weight_decay=self.weight_decay)

    @property
    def is_networks(self) -> bool:
        """Whether all is as the network's."""
        return self == HeadOptimizer()

    def refuse_unfit(self, make: Callable[..., Optimizer]) -> None:
        """Raises a ValueError if the network's optimizer has no weight decay to set."""
        if self.weight_decay is None:
            return
        kind = make([nn.Parameter()], lr=1.0)
        if "weight_decay" not in kind.defaults:
            raise ValueError(
                f"acquisition.head_optimizer.weight_decay is {self.weight_decay}, but {type(kind).__name__} has no "
                "weight decay; set it to null, or choose another optimizer"
            )


@dataclass(frozen=True)
class Beside:
    """One group of parameters beside the network.

    Args:
        parameters: of one module or several.
        own: what they have of their own.
    """

    parameters: Sequence[nn.Parameter]
    own: HeadOptimizer = HeadOptimizer()

    def group(self, scale: float) -> dict[str, Any]:
        """Returns the group as torch's optimizers take it; `scale` is the factor on learning rates."""
        lr = {} if self.own.lr is None else {"lr": self.own.lr * scale}
        decay = {} if self.own.weight_decay is None else {"weight_decay": self.own.weight_decay}
        return {"params": list(self.parameters), **lr, **decay}

    def schedule(self, networks: Schedule | None) -> Schedule | None:
        """Returns the group's schedule, which may be the network's."""
        return networks if self.own.schedule == NETWORKS else self.own.schedule

    def scaled(self, scale: float) -> "Beside":
        """Returns the group for a run with fewer epochs."""
        shorten = getattr(self.own.schedule, "scaled", None)
        return self if shorten is None else replace(self, own=replace(self.own, schedule=shorten(scale)))
