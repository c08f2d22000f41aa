"""One class per row.

Dimension key: B batch, N rows of a split, C classes.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy

from calrun.task.base import Task


class Classification(Task):
    """Learns by cross-entropy, and predicts the class with the largest logit."""

    def loss(self, logits: Tensor, y: Tensor, weights_C: Tensor | None = None) -> Tensor:
        return F.cross_entropy(logits, y, weights_C)

    def losses(self, logits: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(logits, y, reduction="none")

    def correct(self, logits: Tensor, y: Tensor) -> Tensor:
        return logits.argmax(dim=1) == y

    def reduced(self, logits: Tensor) -> Tensor:
        return logits

    def kept(self, logits: Tensor) -> Tensor:
        return logits

    def metrics(self, kept_N: Tensor, targets: np.ndarray, num_classes: int) -> dict[str, float]:
        """Returns accuracy, balanced accuracy (mean recall of the classes that occur) and mean cross-entropy."""
        logits_NC, targets_N = kept_N, torch.from_numpy(targets)
        recall_C = multiclass_accuracy(logits_NC, targets_N, num_classes, average="none")
        occurs_C = torch.bincount(targets_N, minlength=num_classes) > 0
        return {
            "accuracy": self.correct(logits_NC, targets_N).double().mean().item(),
            "balanced_accuracy": recall_C[occurs_C].double().mean().item(),
            "loss": F.cross_entropy(logits_NC.double(), targets_N).item(),
        }

    def class_counts(self, targets: np.ndarray, num_classes: int) -> np.ndarray:
        return np.bincount(targets, minlength=num_classes)

    def names(self, targets: np.ndarray, class_names: list[str]) -> list[str]:
        return [str(class_names[c]) for c in targets.tolist()]
