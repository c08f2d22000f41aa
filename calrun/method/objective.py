"""Losses of a step. The formula of each is a pure function of tensors in the method's own file.

Dimension key: B batch, C classes.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from calrun.part.batch import Batch
from calrun.part.piece import Piece
from calrun.round import Round
from calrun.task.base import Task
from calrun.task.classification import Classification
from calrun.text.legal import one_of


class Objective(Piece, ABC):
    """The loss of the current batch and, from round 2 on, of the replayed one.

    `task` is the run's, set before the first round.
    """

    task: Task = Classification()
    num_classes: int

    def begin_run(self, task: Task, num_rows: int, num_classes: int) -> None:
        """Takes the task that the network learns, and how many rows and classes it has."""
        self.task, self.num_classes = task, num_classes

    def stored_of(self, rows: Tensor) -> Tensor | None:
        """Returns the targets z' of replayed rows (B, C); `None` where nothing is stored."""
        return None

    def rows_to_store(self, num_new: int) -> int:
        """Returns how many rows pass through the network at the end of a round to store their targets."""
        return 0

    def stored_bytes(self, num_labelled: int) -> int:
        """Returns how many bytes the stored targets take when this many rows are labelled."""
        return 0

    @abstractmethod
    def __call__(self, current: Batch, replay: Batch | None) -> Tensor:
        """Returns the loss; both batches hold the network's output, and `replay` its stored targets."""


class CrossEntropy(Objective):
    """The task's mean loss over current and replayed rows alike; for classification, the cross-entropy.

    Args:
        class_weights: `none`, or `inverse` for one over the class's count among the labels of each round
            (Emam et al. 2021, Table 3 B-I; their code: N / n_c, 1 for an unseen class, divided by the sum).
    """

    def __init__(self, class_weights: str = "none") -> None:
        one_of("method.objective.class_weights", class_weights, ("none", "inverse"))
        self.class_weights = class_weights
        self.weights_C: Tensor | None = None

    def begin_round(self, this_round: Round) -> None:
        if self.class_weights == "inverse":
            pool = this_round.pool
            counts = self.task.class_counts(pool.targets_of(pool.labelled), self.num_classes)
            self.weights_C = inverse_weights(torch.from_numpy(counts))

    def __call__(self, current: Batch, replay: Batch | None) -> Tensor:
        if self.weights_C is not None:
            self.weights_C = self.weights_C.to(current.logits.device)  # moves once a round
        if replay is None:
            return self.task.loss(current.logits, current.y, self.weights_C)
        logits = torch.cat([current.logits, replay.logits])
        return self.task.loss(logits, torch.cat([current.y, replay.y]), self.weights_C)


def refuse_other(objective: Objective, loss: object) -> None:
    """Raises a ValueError if what an objective returns is not a loss; never waits for the device."""
    if isinstance(loss, Tensor) and loss.dim() == 0 and loss.requires_grad:
        return
    came = f"a {type(loss).__name__}"
    if isinstance(loss, Tensor):
        came = f"a tensor of shape {tuple(loss.shape)}" if loss.dim() else "one without a gradient"
    raise ValueError(
        f"method.objective {type(objective).__name__} returns {came}, but a loss is wanted: one number that depends on "
        "the logits, such as their mean cross-entropy"
    )


def inverse_weights(counts_C: Tensor) -> Tensor:
    """Returns N / n_c for each class, 1 for a class that does not occur, divided by their sum (C,)."""
    weights_C = torch.where(counts_C > 0, counts_C.sum() / counts_C.clamp(min=1), 1.0)
    return (weights_C / weights_C.sum()).float()
