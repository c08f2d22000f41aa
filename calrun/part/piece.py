"""What the pieces of a method have in common: they are told how a fit goes, and say what must survive a kill."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from calrun.look.predict import Seen
from calrun.part.batch import Batch
from calrun.round import Round


class Look(Protocol):
    """A pass of the network as it is now over training rows, in evaluation mode; counted as work of the round."""

    def __call__(
        self, rows: np.ndarray, columns: Mapping[str, Callable[[Seen], Tensor]] | None = None
    ) -> dict[str, Tensor]:
        """Returns columns of `rows` in their order, on the host: `logits` where none are named."""
        ...


class Piece:
    """A piece of a method. Every hook does nothing unless a piece needs it."""

    def begin_round(self, this_round: Round) -> None:
        """Sets what holds for one round, whose rows have their labels by now."""

    def begin_epoch(self, look: Look, phase: int, epoch: int) -> None:
        """Is called when an epoch begins; `phase` and `epoch` count from 0."""

    def after_step(self, current: Batch, replay: Batch | None) -> None:
        """Is called with what a step has seen, after the weights have moved; it must not wait for the device."""

    def after_epoch(self, look: Look, phase: int, epoch: int) -> None:
        """Is called when an epoch has ended; `phase` and `epoch` count from 0."""

    def end_round(self, look: Look, this_round: Round) -> None:
        """Is called when the last fit of a round has ended."""

    def notes(self) -> dict[str, float]:
        """Returns what a round's line should say about this piece; called once, at the end of a round."""
        return {}

    def fit_state(self) -> dict[str, Any]:
        """Returns what a checkpoint inside a round must hold beside weights and buffers: tensors and plain values."""
        return {}

    def load_fit_state(self, state: dict[str, Any]) -> None:
        """Takes back what `fit_state` returned."""

    def carried(self) -> dict[str, Any]:
        """Returns what the next round needs of this piece."""
        return {}

    def restore(self, carried: dict[str, Any]) -> None:
        """Takes back what `carried` returned."""
