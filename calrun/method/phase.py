"""One Lightning fit of a round: what is trained, how, and until when."""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from calrun.method.finish import Best, Finish
from calrun.method.fit.optimizer import OptimizerFactory
from calrun.method.fit.stop import StoppingRule
from calrun.text.legal import one_of


@dataclass(frozen=True)
class Phase:
    """One Lightning fit of a round.

    Args:
        trainable: `all` weights or the `head` alone.
        optimizer: replaces the run's optimizer in this phase.
        stop: replaces the method's stopping rule in this phase.
        finish: which weights the fit ends with; `None` takes the best ones under a rule that looks at a validation
            split, and otherwise the last ones.
        freeze_batch_norm: whether BatchNorm keeps its statistics while training (Emam et al. 2021, code).
    """

    trainable: Literal["all", "head"] = "all"
    optimizer: OptimizerFactory | None = None
    stop: StoppingRule | None = None
    freeze_batch_norm: bool = False
    finish: Finish | None = None

    def __post_init__(self) -> None:
        one_of("method.phases.trainable", self.trainable, ("all", "head"))

    def moves_backbone(self, net: nn.Module) -> str:
        """Returns why a fit of this phase changes a network's backbone, as a clause; nothing if it does not."""
        if self.trainable != "head":
            return "trains all weights"
        norms = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in net.modules())
        gathers = norms and not self.freeze_batch_norm
        return "lets BatchNorm gather statistics (freeze_batch_norm is false)" if gathers else ""

    def finish_after(self, rule: StoppingRule) -> Finish:
        """Returns which weights the fit ends with under a stopping rule."""
        if self.finish is not None:
            return self.finish
        return Best() if rule.needs_validation else Finish()
