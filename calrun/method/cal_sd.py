"""CAL-SD, self-distillation. Das et al. 2023, "Accelerating Batch Active Learning ...", Eq. 2.

Dimension key: B batch, C classes.
"""

import torch.nn.functional as F
from torch import Tensor

from calrun.method.stored import Distilling
from calrun.part.batch import Batch
from calrun.round import Round
from calrun.text.legal import at_least


class SelfDistillation(Distilling):
    """Weighs new against old rows by their share of the labels, and distils the old ones from their stored outputs.

    Args:
        alpha: weight of the divergence; the paper searches {0.1, 0.25, 0.5, 0.75}.
        beta: weight of the cross-entropy of replayed rows; `None` is 1 - alpha (Eq. 2).
        store_when: see `Distilling`.
    """

    def __init__(self, alpha: float, beta: float | None = None, store_when: str = "end_of_round") -> None:
        super().__init__(store_when)
        at_least(0, "method.objective", alpha=alpha, beta=beta)
        if beta is None and alpha > 1:
            raise ValueError(
                f"method.objective.alpha is {alpha}, which leaves the weight {1 - alpha:g} to the cross-entropy of "
                "replayed rows; take at most 1, or give beta"
            )
        self.alpha, self.beta = alpha, 1 - alpha if beta is None else beta
        self.share_of_new = 1.0

    def begin_round(self, this_round: Round) -> None:
        super().begin_round(this_round)
        num_new = len(this_round.current_rows)
        self.share_of_new = num_new / (num_new + len(this_round.history_rows))

    def __call__(self, current: Batch, replay: Batch | None) -> Tensor:
        loss = self.task.loss(current.logits, current.y)
        if replay is None:
            return loss
        distance = divergence(self.task.reduced(replay.logits), replay.stored)
        old = self.alpha * distance + self.beta * self.task.loss(replay.logits, replay.y)
        return self.share_of_new * loss + (1 - self.share_of_new) * old


def divergence(logits_BC: Tensor, stored_BC: Tensor) -> Tensor:
    """Returns KL(softmax(z') || softmax(z)), mean over rows; its gradient for a row's logits is (p - q) / B."""
    return F.kl_div(logits_BC.float().log_softmax(1), stored_BC.log_softmax(1), reduction="batchmean", log_target=True)
