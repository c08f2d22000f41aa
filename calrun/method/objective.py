"""Losses of a step. The formula of each is a pure function of tensors in the method's own file.

Dimension key: B batch, C classes.
"""

from abc import ABC, abstractmethod

import torch.nn.functional as F
from torch import Tensor

from calrun.method.batch import Batch
from calrun.round import Round


class Objective(ABC):
    """The loss of the current batch and, from round 2 on, of the replayed one."""

    uses_stored: bool = False  # whether rows' logits are stored when their round ends

    def begin_round(self, this_round: Round) -> None:  # noqa: B027 - most losses have nothing to set
        """Sets what depends on the round."""

    @abstractmethod
    def __call__(self, current: Batch, replay: Batch | None) -> Tensor:
        """Returns the loss; both batches hold their logits, and `replay` its stored targets if `uses_stored`."""


class CrossEntropy(Objective):
    """Mean cross-entropy over the current and replayed rows alike."""

    def __call__(self, current: Batch, replay: Batch | None) -> Tensor:
        if replay is None:
            return F.cross_entropy(current.logits, current.y)
        return pooled_cross_entropy(current.logits, current.y, replay.logits, replay.y)


def pooled_cross_entropy(current_BC: Tensor, current_y: Tensor, replay_BC: Tensor, replay_y: Tensor) -> Tensor:
    """Returns the mean over both batches together: the current part weighs m / (m + r)."""
    total = F.cross_entropy(current_BC, current_y, reduction="sum") + F.cross_entropy(
        replay_BC, replay_y, reduction="sum"
    )
    return total / (len(current_y) + len(replay_y))
