"""What one epoch of a fit has shown."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochFigures:
    """What one epoch has shown.

    Args:
        train_accuracy: running accuracy of the epoch's training batches, as they were trained on.
        train_loss: mean loss of the epoch's training batches.
        val_accuracy: accuracy on the validation split after the epoch; `None` without a split.
    """

    train_accuracy: float
    train_loss: float
    val_accuracy: float | None = None
