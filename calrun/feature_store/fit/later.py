"""A source of features that are computed or read when they are first looked at.

Dimension key: N rows.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from calrun.dataset.base import Block, Source, StepRows
from calrun.dataset.source.features import StandsFor


class Later(StandsFor):
    """The rows of a source, whose x are features once somebody looks at them.

    Args:
        of: the source.
        make: returns its features.
    """

    def __init__(self, of: Source, make: Callable[[Source], Source]) -> None:
        self.of, self.make, self.targets = of, make, of.targets
        self.made: Source | None = None

    @property
    def found(self) -> Source:
        """The features."""
        if self.made is None:
            self.made = self.make(self.of)
        return self.made

    def __len__(self) -> int:
        return len(self.of)

    @property
    def dtype(self) -> torch.dtype | None:
        return self.found.dtype

    def to(self, device: torch.device) -> None:
        self.found.to(device)

    def blocks(self, steps: list[StepRows], seed: int) -> Iterator[Block]:
        return self.found.blocks(steps, seed)

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        return self.found.batches(rows, batch_size)
