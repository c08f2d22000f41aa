"""Losses of a step. The formula of each is a pure function of tensors in the method's own file.

Dimension key: B batch, C classes.
"""

from abc import ABC, abstractmethod

import numpy as np
import torch
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
    """Mean cross-entropy over the current and replayed rows alike.

    Args:
        class_weights: `none`, or `inverse` for one over the class's count among the labels of each round
            (Emam et al. 2021, Table 3 B-I; their code: N / n_c, 1 for an unseen class, divided by the sum).
    """

    def __init__(self, class_weights: str = "none") -> None:
        if class_weights not in ("none", "inverse"):
            raise ValueError(f"method.objective.class_weights wants none or inverse, got {class_weights!r}")
        self.class_weights = class_weights
        self.weights_C: Tensor | None = None

    def begin_round(self, this_round: Round) -> None:
        if self.class_weights == "inverse":
            pool = this_round.pool
            counts = np.bincount(pool.targets_of(pool.labelled), minlength=pool.num_classes)
            self.weights_C = inverse_weights(torch.from_numpy(counts))

    def __call__(self, current: Batch, replay: Batch | None) -> Tensor:
        if self.weights_C is not None:
            self.weights_C = self.weights_C.to(current.logits.device)  # moves once a round
        if replay is None:
            return F.cross_entropy(current.logits, current.y, self.weights_C)
        logits_BC = torch.cat([current.logits, replay.logits])
        return F.cross_entropy(logits_BC, torch.cat([current.y, replay.y]), self.weights_C)


def refuse_negative(**weights: float) -> None:
    """Raises a ValueError if the weight of a part of the loss is below 0: the loss would have no least value."""
    for name, weight in weights.items():
        if weight < 0:
            raise ValueError(f"method.objective.{name} wants a weight from 0 on, got {weight}")


def inverse_weights(counts_C: Tensor) -> Tensor:
    """Returns N / n_c for each class, 1 for a class that does not occur, divided by their sum (C,)."""
    weights_C = torch.where(counts_C > 0, counts_C.sum() / counts_C.clamp(min=1), 1.0)
    return (weights_C / weights_C.sum()).float()
