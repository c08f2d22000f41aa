"""One class per pixel. Long et al. 2015, "Fully Convolutional Networks for Semantic Segmentation", Sec. 5.

Pixels of class UNKNOWN are nobody's: no loss, no metric and no count looks at them.

Dimension key: B batch, N rows of a split, C classes, H W height and width.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from calrun.dataset.base import UNKNOWN
from calrun.task.base import Task

PIXELS_AT_ONCE = 2**24  # of labels that are counted


class Segmentation(Task):
    """Learns by cross-entropy over labelled pixels, and predicts the class with the largest logit of each pixel."""

    def loss(self, logits: Tensor, y: Tensor, weights_C: Tensor | None = None) -> Tensor:
        total = F.cross_entropy(logits, y.long(), weights_C, ignore_index=UNKNOWN, reduction="sum")
        inside = y != UNKNOWN
        mass = inside.sum() if weights_C is None else (weights_C[y.long().clamp(min=0)] * inside).sum()
        return total / mass.clamp(min=torch.finfo(total.dtype).tiny)  # a batch without labelled pixels loses nothing

    def losses(self, logits: Tensor, y: Tensor) -> Tensor:
        pixels = F.cross_entropy(logits, y.long(), ignore_index=UNKNOWN, reduction="none")
        return pixels.flatten(1).sum(dim=1) / labelled(y).clamp(min=1)

    def correct(self, logits: Tensor, y: Tensor) -> Tensor:
        """Returns the share of right pixels of each row (B,); 1 where no pixel is labelled."""
        wrong_B = ((logits.argmax(dim=1) != y) & (y != UNKNOWN)).flatten(1).sum(dim=1)
        return 1 - wrong_B / labelled(y).clamp(min=1)

    def reduced(self, logits: Tensor) -> Tensor:
        """Returns the logarithm of the mean over pixels of the class probabilities (B, C).

        All pixels count alike, for whoever asks does not know which of them will be labelled.
        """
        log_probs = logits.float().log_softmax(dim=1).flatten(2)
        return log_probs.logsumexp(dim=2) - math.log(log_probs.shape[2])

    def kept(self, logits: Tensor, y: Tensor) -> Tensor:
        """Returns how many pixels of each class are predicted as each class, int32 (B, C, C): [label, prediction]."""
        return confusion(logits.argmax(dim=1), y, logits.shape[1])

    def classes(self, logits: Tensor) -> Tensor:
        """Returns the class of each pixel, bytes (B, H, W)."""
        return logits.argmax(dim=1).to(torch.uint8)

    def metrics(self, kept_N: Tensor, targets: np.ndarray, num_classes: int) -> dict[str, float]:
        """Returns what one confusion matrix of all pixels of a split says.

        `accuracy` is the share of labelled pixels that are right; `mean_iou` the mean over classes of intersection over
        union, `iou/c` of class c; classes that occur neither among labels nor among predictions have none.
        """
        confusion_CC = kept_N.sum(dim=0, dtype=torch.int64).double()
        iou_C = intersection_over_union(confusion_CC)
        occurs_C = iou_C.isfinite()
        pixels = confusion_CC.sum().item()
        return {
            "accuracy": confusion_CC.trace().item() / pixels if pixels else 0.0,
            "mean_iou": iou_C[occurs_C].mean().item() if occurs_C.any() else 0.0,
            **{f"iou/{c}": iou_C[c].item() for c in occurs_C.nonzero().flatten().tolist()},
        }

    def class_counts(self, targets: np.ndarray, num_classes: int) -> np.ndarray:
        """Returns the labelled pixels of each class, int64 (C,)."""
        counts_C, rows = np.zeros(num_classes, dtype=np.int64), max(1, PIXELS_AT_ONCE // max(1, targets[:1].size))
        for start in range(0, len(targets), rows):
            part = targets[start : start + rows]
            counts_C += np.bincount(part[part != UNKNOWN], minlength=num_classes)
        return counts_C

    def misfits(self, label: tuple[int, ...], logits: tuple[int, ...]) -> Iterator[str]:
        if len(label) != 2:
            yield (
                f"task=segmentation wants a class for each pixel, but the labels of this data set are of shape {label} "
                "for each row; choose dataset=mask_folder or dataset=cityscapes, or task=classification"
            )
        elif logits[1:] != label:
            yield (
                f"task=segmentation wants logits for each of {label[0]} x {label[1]} pixels, but this model gives "
                f"logits of shape {logits} for each row; choose model=small_fcn, drn_d_22 or torchvision_segmentation"
            )


def labelled(y: Tensor) -> Tensor:
    """Returns how many pixels of each row have a class (B,)."""
    return (y != UNKNOWN).flatten(1).sum(dim=1)


def confusion(predicted: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """Returns the confusion matrix of each row's pixels, int32 (B, C, C): [label, prediction].

    Args:
        predicted: classes (B, H, W).
        y: classes (B, H, W), UNKNOWN where a pixel is not counted.
        num_classes: C.
    """
    batch, cells, inside = len(y), num_classes * num_classes, y != UNKNOWN
    row_B11 = torch.arange(batch, device=y.device)[:, None, None]
    cell = (row_B11 * num_classes + y.long()) * num_classes + predicted
    return torch.bincount(cell[inside], minlength=batch * cells).int().view(batch, num_classes, num_classes)


def intersection_over_union(confusion_CC: Tensor) -> Tensor:
    """Returns TP / (TP + FP + FN) of each class (C,), not a number where the class does not occur."""
    right_C = confusion_CC.diagonal()
    return right_C / (confusion_CC.sum(dim=0) + confusion_CC.sum(dim=1) - right_C)
