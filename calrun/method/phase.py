"""One Lightning fit of a round: what is trained, how, and until when."""

from dataclasses import dataclass
from typing import Literal

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

    def finish_after(self, rule: StoppingRule) -> Finish:
        """Returns which weights the fit ends with under a stopping rule."""
        if self.finish is not None:
            return self.finish
        return Best() if rule.needs_validation else Finish()
