"""The batches of a fit, epoch by epoch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from calrun.dataset.base import Block
from calrun.method.visit import refuse_unlabelled

if TYPE_CHECKING:
    from calrun.method.fit.module import FitModule


@dataclass
class Epochs:
    """The batches of a fit, worked out epoch by epoch as Lightning asks for them.

    The method counts the epochs: Lightning's own counter is one behind when it asks for the first epoch of a resumed
    fit.
    """

    method: "FitModule"

    def __iter__(self) -> Iterator[Block]:
        method = self.method
        method.visit.look_ahead(method.look, method.phase_number, method.epoch)
        yield from self._blocks()

    def _blocks(self) -> Iterator[Block]:
        method, epoch = self.method, self.method.epoch
        steps = method.visit.epoch(method.this_round, epoch, method.setup_.batch_size, method.phase_number)
        refuse_unlabelled(steps, method.this_round)
        seed = method.this_round.torch_seed("augmentation", method.phase_number, epoch)
        train = method.setup_.train
        yield from train.blocks(train.arranged(steps, seed), seed)  # only when asked: Lightning makes one iterator more

    def inputs(self, device: torch.device) -> Iterator[Tensor]:
        """Yields x of each step of an epoch, the current rows before the replayed ones, outside a fit."""
        method = self.method
        for block in self._blocks():
            for current, replay in block.to(device):
                x = method.laid_out(current.x)
                yield x if replay is None else method.setup_.train.joined(x, method.laid_out(replay.x))
