"""A batch as losses see it.

Dimension key: B batch, C classes, D features.
"""

from typing import NamedTuple

from torch import Tensor

from calrun.model.base import Output


class Batch(NamedTuple):
    """Rows with their inputs, labels and, once the network has seen them, its output.

    Args:
        rows: int64 (B,).
        x: (B, ...), augmented.
        y: labels (B, ...).
        output: the network's output for x, with gradients; `None` before the forward pass.
        stored_BC: the targets z' stored when these rows' round ended; `None` if the loss does not ask for them.
    """

    rows: Tensor
    x: Tensor
    y: Tensor
    output: Output | None = None
    stored_BC: Tensor | None = None

    @property
    def seen(self) -> Output:
        """The output, which the forward pass has filled in by the time a loss is computed."""
        assert self.output is not None
        return self.output

    @property
    def logits(self) -> Tensor:
        """The logits (B, C, ...)."""
        return self.seen.logits_BC

    @property
    def features(self) -> Tensor:
        """The penultimate features (B, D)."""
        return self.seen.features_BD

    @property
    def stored(self) -> Tensor:
        """The stored targets, which only an objective that stores them is given.

        Raises:
            ValueError: if none are stored.
        """
        if self.stored_BC is None:
            raise ValueError(
                "method.objective looks at stored targets, but none are stored; let its class inherit from "
                "calrun.method.stored.Distilling"
            )
        return self.stored_BC

    def take(self, index: Tensor) -> "Batch":
        """Returns the rows at these positions, before the forward pass."""
        stored = None if self.stored_BC is None else self.stored_BC[index]
        return Batch(self.rows[index], self.x[index], self.y[index], None, stored)

    def with_output(self, output: Output) -> "Batch":
        """Returns this batch with the network's output for it."""
        return self._replace(output=output)
