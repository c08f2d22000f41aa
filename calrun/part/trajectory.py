"""How the predictions of the unlabelled rows move from epoch to epoch, summed up over a round's fits.

TracIn: Pruthi et al. 2020, "Estimating Training Data Influence by Tracing Gradient Descent", Sec. 3. Here a summand
compares the predictions of two checkpoints, one after the other.

Dimension key: N rows that were unlabelled when the round began, C classes, E epochs looked at.
"""

from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.kernel.by_chunks import scored
from calrun.machine.files import load_tensors, replace_tensors
from calrun.model.base import Classifier
from calrun.parallel import world
from calrun.part.part import Part
from calrun.part.piece import Look
from calrun.round import Round

if TYPE_CHECKING:
    from calrun.part.setup import Setup

Summand = Callable[[Tensor, Tensor], Tensor]  # of log-probabilities now and before (B, C); gives (B,)


class Trajectory(Part):
    """Passes over the unlabelled rows at the end of epochs, and keeps the last predictions and a sum.

    Args:
        summand: of two predictions, one after the other.
        latter_half: whether only the summands after half of the epochs count: those of epochs above E / 2, rounded up.
            E is known at the end alone, so up to E / 2 numbers are kept for each row.
        every: it looks after each epoch whose number is a multiple of this.
    """

    rows: np.ndarray
    seen: int
    before_NC: Tensor | None
    sum_N: Tensor
    latter: dict[int, Tensor]

    def __init__(self, summand: Summand, latter_half: bool, every: int = 1) -> None:
        super().__init__()
        self.summand, self.latter_half, self.every = summand, latter_half, every
        self._clear(np.empty(0, dtype=np.int64))

    def begin_round(self, this_round: Round) -> None:
        self._clear(this_round.pool.unlabelled)

    def after_epoch(self, look: Look, phase: int, epoch: int) -> None:
        if self.is_looked_at(epoch):
            self.see(look)

    def is_looked_at(self, epoch: int) -> bool:
        """Tells whether an epoch of a fit, counted from 0, is one after which it looks, and there are rows to see."""
        return (epoch + 1) % self.every == 0 and len(self.rows) > 0

    def see(self, look: Look) -> None:
        """Compares the predictions of the network as it is with those of the last time."""
        now_NC = look(self.rows)["logits"].log_softmax(dim=1)
        self.seen += 1
        if self.before_NC is not None:
            summand_N = scored(self.summand, now_NC, self.before_NC)
            if self.latter_half:
                self.latter[self.seen] = summand_N
            else:
                self.sum_N += summand_N
        self.before_NC = now_NC
        self.latter = {number: kept for number, kept in self.latter.items() if number > ceil(self.seen / 2)}

    @property
    def influence_N(self) -> Tensor:
        """The sum for each row, in double precision."""
        influence_N: Tensor = sum(self.latter.values(), self.sum_N)
        return influence_N

    def fit_state(self) -> dict[str, Any]:
        return {"seen": self.seen, "before": self.before_NC, "sum": self.sum_N, "latter": self.latter}

    def load_fit_state(self, state: dict[str, Any]) -> None:
        self.seen, self.before_NC = state["seen"], state["before"]
        self.sum_N, self.latter = state["sum"], state["latter"]

    def carried(self) -> dict[str, Any]:
        return {"rows": torch.from_numpy(self.rows), "seen": self.seen, "influence": self.influence_N}

    def restore(self, carried: dict[str, Any]) -> None:
        self._clear(carried["rows"].numpy())
        self.seen, self.sum_N = carried["seen"], carried["influence"]

    def of(self, rows: np.ndarray) -> Tensor:
        """Returns the influence of rows.

        Raises:
            ValueError: if they are others than those that were looked at.
        """
        if not np.array_equal(rows, self.rows):
            raise ValueError(
                f"the acquisition knows the training dynamics of {len(self.rows)} rows, those that were unlabelled "
                f"while the network was trained, but {len(rows)} others are to be ranked; choose another acquisition"
            )
        return self.influence_N

    def _clear(self, rows: np.ndarray) -> None:
        self.rows, self.seen = rows, 0
        self.before_NC = None
        self.sum_N = torch.zeros(len(rows), dtype=torch.float64)
        self.latter = {}


class SavedTrajectory(Trajectory):
    """Saves the weights at the end of epochs, and looks at the rows when all fits of the round have ended.

    The sum is the same. It takes a file of weights for each epoch, until the round is committed.
    """

    def build(self, net: Classifier, setup: "Setup") -> None:
        self.watched = [net]  # in a list: the network is no part of this one

    def begin_round(self, this_round: Round) -> None:
        super().begin_round(this_round)
        self.folder, self.num_saved = this_round.folder, 0

    def after_epoch(self, look: Look, phase: int, epoch: int) -> None:
        if self.is_looked_at(epoch):
            self.num_saved += 1
            if world.is_first():
                replace_tensors(self._path(self.num_saved), self._weights())

    def end_round(self, look: Look, this_round: Round) -> None:
        (net,) = self.watched
        world.wait()
        last = self._weights()
        for number in range(1, self.num_saved + 1):
            net.load_state_dict(load_tensors(self._path(number)))
            self.see(look)
        net.load_state_dict(last)

    def fit_state(self) -> dict[str, Any]:
        return {"num_saved": self.num_saved}

    def load_fit_state(self, state: dict[str, Any]) -> None:
        self.num_saved = state["num_saved"]

    def _path(self, number: int) -> Path:
        return self.folder / f"phase-weights-{number}.pt"  # files of phases are removed when the round is committed

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().cpu().clone() for name, tensor in self.watched[0].state_dict().items()}
