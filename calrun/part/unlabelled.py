"""Batches of rows without labels that travel beside the steps of a fit, augmented like the others.

They depend on the seed, the round, the fit and its epoch alone: a fit that was killed goes on with the same ones.
"""

from collections.abc import Iterator
from itertools import count

import numpy as np
import torch
from torch import Tensor

from calrun.dataset.base import Source, StepRows
from calrun.round import Round

LEAST_ROWS = 2  # of a batch: BatchNorm cannot normalise one


class UnlabelledBatches:
    """Passes over the unlabelled rows of a round, each in an order of its own, without end.

    A pass ends with the last full batch; where there are fewer rows than one batch has, a batch is all of them.

    Args:
        source: the rows' inputs.
        batch_size: rows of a batch.
        this_round: the round whose unlabelled rows are visited.
        phase: number of the fit in its round.
        epoch: of the fit.
    """

    def __init__(self, source: Source, batch_size: int, this_round: Round, phase: int, epoch: int) -> None:
        self.source, self.this_round, self.at = source, this_round, (phase, epoch)
        self.rows = this_round.pool.unlabelled
        self.size = min(batch_size, len(self.rows))
        self.found: Iterator[Tensor] | None = None

    def next(self, device: torch.device) -> Tensor | None:
        """Returns the inputs of the next batch on a device; `None` if there are too few rows for one."""
        if self.size < LEAST_ROWS:
            return None
        if self.found is None:
            self.found = self._batches(device)
        return next(self.found)

    def _batches(self, device: torch.device) -> Iterator[Tensor]:
        for number in count():
            order = self.this_round.rng("unlabelled batches", *self.at, number).permutation(self.rows)
            cuts = range(0, len(order) - self.size + 1, self.size)
            steps = [StepRows(order[start : start + self.size], np.empty(0, dtype=np.int64)) for start in cuts]
            seed = self.this_round.torch_seed("augmentation of unlabelled batches", *self.at, number)
            for block in self.source.blocks(steps, seed):
                yield from (shot.x for shot, _ in block.to(device))
