"""CAL-DER. Das et al. 2023, "Accelerating Batch Active Learning Using Continual Learning Techniques", Eq. 1.

Dimension key: B batch, C classes.
"""

import torch.nn.functional as F
from torch import Tensor

from calrun.method.stored import Distilling
from calrun.part.batch import Batch
from calrun.text.legal import at_least, one_of


class DarkReplay(Distilling):
    """Keeps old rows near the logits they had at the end of the round that bought them.

    Args:
        alpha: weight of the distance between logits; the paper searches {0.1, 0.25, 0.5, 0.75}.
        beta: weight of the cross-entropy of replayed rows; the paper searches {0.75, 1}.
        reduction: `mean` over rows and classes, for which the grid of alpha was made (Buzzega et al. 2020); `sum` over
            classes is Eq. 1 to the letter.
        store_when: see `Distilling`.
    """

    def __init__(self, alpha: float, beta: float, reduction: str = "mean", store_when: str = "end_of_round") -> None:
        super().__init__(store_when)
        one_of("method.objective.reduction", reduction, ("mean", "sum"))
        at_least(0, "method.objective", alpha=alpha, beta=beta)
        self.alpha, self.beta, self.reduction = alpha, beta, reduction

    def __call__(self, current: Batch, replay: Batch | None) -> Tensor:
        loss = self.task.loss(current.logits, current.y)
        if replay is None:  # round 1 has no history
            return loss
        distance = logit_distance(self.task.reduced(replay.logits), replay.stored, self.reduction)
        return loss + self.alpha * distance + self.beta * self.task.loss(replay.logits, replay.y)


def logit_distance(logits_BC: Tensor, stored_BC: Tensor, reduction: str) -> Tensor:
    """Returns the squared distance of logits, mean over rows; `mean` divides it by C, `sum` does not."""
    squared = F.mse_loss(logits_BC.float(), stored_BC)
    return squared * logits_BC.shape[1] if reduction == "sum" else squared
