"""A batch as losses see it.

Dimension key: B batch, C classes.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Batch(NamedTuple):
    """Rows with their pictures, labels and, where the network has seen them, logits.

    Args:
        rows: int64 (B,).
        x: (B, ...), augmented.
        y: int64 (B,).
        logits_BC: the network's logits of x, with gradients; None before the forward pass.
        stored_BC: the targets z' stored when these rows' round ended; None if the loss does not ask for them.
    """

    rows: Tensor
    x: Tensor
    y: Tensor
    logits_BC: Tensor | None = None
    stored_BC: Tensor | None = None

    @property
    def logits(self) -> Tensor:
        """The logits, which the forward pass has filled in by the time a loss is asked."""
        assert self.logits_BC is not None
        return self.logits_BC

    @property
    def stored(self) -> Tensor:
        """The stored targets, which a loss that says `uses_stored` is given."""
        assert self.stored_BC is not None
        return self.stored_BC

    def take(self, index: Tensor) -> "Batch":
        """Returns the rows at these positions, before the forward pass."""
        stored = None if self.stored_BC is None else self.stored_BC[index]
        return Batch(self.rows[index], self.x[index], self.y[index], None, stored)

    def seen(self, logits_BC: Tensor) -> "Batch":
        """Returns this batch with its logits."""
        return Batch(self.rows, self.x, self.y, logits_BC, self.stored_BC)


def join(first: Batch, second: Batch) -> Tensor:
    """Returns the pictures of both batches, the first one's before the second one's."""
    return torch.cat([first.x, second.x])
