"""Which rows a round visits: all labelled ones, the newest, or the newest with a replay of the history.

Das et al. 2023 (CAL), Alg. 2. An epoch is one shuffled pass over the current rows; replay rides along.
"""

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor, nn

from calrun.dataset.base import StepRows
from calrun.method.batch import Batch
from calrun.round import Round


class Choose(ABC):
    """Chooses the replayed rows of a step out of candidates drawn from the history."""

    @abstractmethod
    def __call__(self, net: nn.Module, current: Batch, candidates: Batch, size: int, lr: Tensor | float) -> Tensor:
        """Returns the positions of `size` candidates; leaves the network and its modes as they were."""

    def begin_round(self) -> None:
        """Forgets what held for the round before."""
        self.kept: dict[str, Tensor] = {}  # what a checkpoint inside a round has to save

    def notes(self) -> dict[str, float]:
        """Returns what a round's line should say of its choices; asked once, at the end of a round."""
        return {}

    def cost(self, num_current: int, num_candidates: int) -> tuple[int, int]:
        """Returns the samples that a choice sends forward and backward."""
        return num_candidates, 0


class Visit(ABC):
    """Plans the steps of an epoch."""

    replay_size: int = 0
    choose: Choose | None = None

    @abstractmethod
    def current_rows(self, this_round: Round) -> np.ndarray:
        """Returns the rows that an epoch passes over once."""

    def epoch(self, this_round: Round, epoch: int, batch_size: int) -> list[StepRows]:
        """Returns the rows of each step; the last step takes what is left over.

        A single left-over row joins the step before it, because BatchNorm cannot normalise one row.
        """
        order = this_round.rng("batch order", epoch).permutation(self.current_rows(this_round))
        cuts = list(range(batch_size, len(order), batch_size))
        if cuts and len(order) - cuts[-1] == 1 and batch_size > 1:
            cuts.pop()
        batches = np.split(order, cuts)
        replays = self.replays(this_round, epoch, len(batches))
        return [StepRows(batch, replay) for batch, replay in zip(batches, replays, strict=True)]

    def replays(self, this_round: Round, epoch: int, num_steps: int) -> list[np.ndarray]:
        """Returns the history rows of each step: none."""
        return [this_round.pool.nothing] * num_steps

    def replays_in(self, this_round: Round) -> bool:
        """Tells whether this round replays anything."""
        return False


class AllLabelled(Visit):
    """Visits every labelled row."""

    def current_rows(self, this_round: Round) -> np.ndarray:
        return this_round.pool.labelled


class Newest(Visit):
    """Visits only the rows bought for this round."""

    def current_rows(self, this_round: Round) -> np.ndarray:
        return this_round.current_rows


class Replay(Newest):
    """Visits the newest rows, and with each batch of them some rows of the history.

    Args:
        replay_size: m^(h), replayed rows of a step; the paper searches {m, 2 m}.
        num_candidates: c, rows drawn for `choose` to choose from.
        choose: picks replay_size of the candidates; none draws replay_size rows uniformly.
    """

    def __init__(self, replay_size: int, num_candidates: int | None = None, choose: Choose | None = None) -> None:
        if replay_size < 1:
            raise ValueError(f"method.visit.replay_size wants 1 row or more, got {replay_size}; use finetune_new")
        if choose is not None and (num_candidates or 0) < replay_size:
            raise ValueError(
                f"method.visit.num_candidates is {num_candidates}, but {replay_size} rows (replay_size) are to be "
                "chosen from them; raise num_candidates or lower replay_size"
            )
        self.replay_size, self.choose = replay_size, choose
        self.num_drawn = (num_candidates or replay_size) if choose is not None else replay_size

    def replays(self, this_round: Round, epoch: int, num_steps: int) -> list[np.ndarray]:
        history, rng = this_round.history_rows, this_round.rng("replay", epoch)
        size = min(self.num_drawn, len(history))
        return [history[rng.choice(len(history), size, replace=False, shuffle=False)] for _ in range(num_steps)]

    def replays_in(self, this_round: Round) -> bool:
        return len(this_round.history_rows) > 0


def all_positions(batch: Batch) -> Tensor:
    """Returns every position of a batch: what a choice takes when there are too few candidates."""
    return torch.arange(len(batch.y), device=batch.rows.device)
