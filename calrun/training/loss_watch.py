"""Ends a fit whose loss is no longer a number.

Dimension key: T steps of a block.
"""

from collections import deque
from dataclasses import dataclass
from math import isfinite
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor

SKIPPED_STEPS = 20  # broken losses in a row that a loss scaler may be to blame for: it skips each and halves its scale


@dataclass(frozen=True)
class Losses:
    """The losses of a block on their way to the host.

    Args:
        first_step: number of the block's first step in its epoch, from 1.
        losses_T: the copy.
        copied: says when the copy is complete; `None` if it is complete at once.
    """

    first_step: int
    losses_T: Tensor
    copied: torch.Event | None


class LossWatch(Callback):
    """Looks at every loss once it has reached the host, a block or two after its step: the device never waits.

    The module keeps the losses of its last block in `block_losses_T`.

    Args:
        where: whose fit it is, for the error.
        cure: what to do, for the error.

    Raises:
        ValueError: in a fit, at a loss that is not finite and for which no loss scaler is to blame.
    """

    def __init__(self, where: str, cure: str) -> None:
        self.where, self.cure = where, cure
        self.pending: deque[Losses] = deque()
        self.num_steps = self.num_broken = 0
        self.first_loss: float | None = None

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.num_steps = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        losses_T: Tensor = pl_module.block_losses_T  # type: ignore[assignment]
        copy_T, copied = losses_T.to("cpu", non_blocking=True), None
        if not losses_T.is_cpu:
            copied = torch.Event(losses_T.device)
            copied.record()
        self.pending.append(Losses(self.num_steps + 1, copy_T, copied))
        self.num_steps += len(losses_T)
        while self.pending and (self.pending[0].copied is None or self.pending[0].copied.query()):
            self._check(self.pending.popleft(), trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        while self.pending:
            losses = self.pending.popleft()
            if losses.copied is not None:
                losses.copied.synchronize()
            self._check(losses, trainer)

    def _check(self, losses: Losses, trainer: pl.Trainer) -> None:
        patience = 0 if getattr(trainer.precision_plugin, "scaler", None) is None else SKIPPED_STEPS
        for number, loss in enumerate(losses.losses_T.tolist(), losses.first_step):
            if isfinite(loss):
                self.first_loss = loss if self.first_loss is None else self.first_loss
                self.num_broken = 0
                continue
            self.num_broken += 1
            if self.num_broken > patience:
                raise ValueError(
                    f"{self.where}, epoch {trainer.current_epoch + 1}, step {number}: the loss is {loss}, so that the "
                    f"fit cannot recover; {self.cure}"
                )
