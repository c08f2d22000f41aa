"""One class per row.

Dimension key: B batch, N rows of a split, C classes.
"""

from collections.abc import Iterable, Iterator
from types import MappingProxyType

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy

from calrun.dataset.base import NO_CLASS, UNKNOWN_CLASS
from calrun.task.base import Task
from calrun.task.calibration import brier, ece, nll

TOP = 5  # classes that may hold the right one in `top5`
ROWS_AT_A_TIME = 8192  # of `top5`: of 1,000 classes 8 MiB for each comparison


def matthews(logits_NC: Tensor, targets_N: np.ndarray) -> Iterable[tuple[str, float]]:
    """Yields Matthews' correlation of predictions and labels; 0 where either is all one class."""
    from sklearn.metrics import matthews_corrcoef

    yield "matthews", float(matthews_corrcoef(targets_N, logits_NC.argmax(dim=1).numpy()))


def auc(logits_NC: Tensor, targets_N: np.ndarray) -> Iterable[tuple[str, float]]:
    """Yields the mean area under the curve of each class against the others, over the classes that have both."""
    from sklearn.metrics import roc_auc_score

    probs_NC = logits_NC.double().softmax(dim=1).numpy()
    areas = [
        roc_auc_score(targets_N == c, probs_NC[:, c])
        for c in np.unique(targets_N).tolist()
        if not (targets_N == c).all()
    ]
    if areas:
        yield "auc", float(np.mean(areas))


def recall(logits_NC: Tensor, targets_N: np.ndarray) -> Iterable[tuple[str, float]]:
    """Yields the share of each class's rows that are predicted as this class."""
    right_N = logits_NC.argmax(dim=1).numpy() == targets_N
    for c in np.unique(targets_N).tolist():
        yield f"recall/{c}", float(right_N[targets_N == c].mean())


def top5(logits_NC: Tensor, targets_N: np.ndarray) -> Iterable[tuple[str, float]]:
    """Yields the share of rows whose class is among the five largest logits; of equal logits the first classes count.

    Emam et al. 2021, Table 2. Of five classes or fewer it is 1.
    """
    chunks = zip(
        *(torch.split(whole, ROWS_AT_A_TIME) for whole in (logits_NC, torch.from_numpy(targets_N))), strict=True
    )
    right_N = [rank_of(logits_BC, targets_B) < TOP for logits_BC, targets_B in chunks]
    yield "top5", torch.cat(right_N).double().mean().item()


def rank_of(logits_BC: Tensor, targets_B: Tensor) -> Tensor:
    """Returns how many classes stand before each row's own (B,): larger logits, and equal ones of lower number."""
    own_B1 = logits_BC.gather(1, targets_B[:, None])
    earlier_BC = torch.arange(logits_BC.shape[1]) < targets_B[:, None]
    return ((logits_BC > own_B1) | ((logits_BC == own_B1) & earlier_BC)).sum(dim=1)


class Classification(Task):
    """Learns by cross-entropy, and predicts the class with the largest logit."""

    more = MappingProxyType(
        {"matthews": matthews, "auc": auc, "recall": recall, "top5": top5, "ece": ece, "brier": brier, "nll": nll}
    )

    def loss(self, logits: Tensor, y: Tensor, weights_C: Tensor | None = None) -> Tensor:
        return F.cross_entropy(logits, y, weights_C)

    def losses(self, logits: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(logits, y, reduction="none")

    def correct(self, logits: Tensor, y: Tensor) -> Tensor:
        return logits.argmax(dim=1) == y

    def reduced(self, logits: Tensor) -> Tensor:
        return logits

    def kept(self, logits: Tensor, y: Tensor) -> Tensor:
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

    def misfits(self, label: tuple[int, ...], logits: tuple[int, ...]) -> Iterator[str]:
        if label:
            yield (
                f"task=classification wants one class for each row, but labels of this data set have shape {label}; "
                "choose task=segmentation"
            )
        elif len(logits) != 1:
            yield (
                f"task=classification wants one row of logits for each row, but this model gives logits of the shape "
                f"{logits}; choose a model that classifies whole rows, such as model=resnet18"
            )

    def names(self, targets: np.ndarray, class_names: list[str]) -> list[str]:
        return [UNKNOWN_CLASS if c == NO_CLASS else str(class_names[c]) for c in targets.tolist()]
