"""The gradient of the cross-entropy with respect to the logits: p - y.

Dimension key: B rows, C classes.
"""

import torch
from torch import Tensor


def residual(logits_BC: Tensor, targets_B: Tensor | None = None) -> Tensor:
    """Returns p - y (B, C); the entry of the target is minus the sum of the others, since p_y - 1 would cancel.

    Args:
        logits_BC: of any precision; the result has single precision or more.
        targets_B: the classes y; `None` takes the predicted ones, and gives NaN for rows with a logit that is not
            finite, minus infinity included.
    """
    place_B1 = logits_BC.argmax(dim=1, keepdim=True) if targets_B is None else targets_B[:, None]
    residual_BC = logits_BC.softmax(dim=1, dtype=torch.promote_types(logits_BC.dtype, torch.float32))
    residual_BC.scatter_(1, place_B1, 0)
    residual_BC.scatter_(1, place_B1, -residual_BC.sum(dim=1, keepdim=True))
    return residual_BC if targets_B is not None else residual_BC.add_(0 * logits_BC.sum(dim=1, keepdim=True))
