"""Which rows a round visits: all labelled ones, the newest, or the newest with a replay of the history.

Das et al. 2023 (CAL), Alg. 2. An epoch is one shuffled pass over the current rows; each step may add replayed rows.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from calrun.dataset.base import StepRows
from calrun.method.fit.step_sizes import KEEP, LastBatch, step_sizes
from calrun.part.batch import Batch
from calrun.part.piece import Look, Piece
from calrun.round import Round
from calrun.task.base import Task
from calrun.task.classification import Classification
from calrun.text.legal import one_of


class Choose(Piece):
    """Chooses the replayed rows of a step from candidates drawn from the history; this one takes all that are drawn.

    It is called only when there are more candidates than rows to replay.
    """

    task: Task = Classification()  # the run's, set before the first round
    steps_on_current: bool = False  # whether the current rows pass through the network alone, in training mode

    def __call__(self, net: nn.Module, current: Batch, candidates: Batch, size: int, lr: Tensor | float) -> Tensor:
        """Returns the positions of `size` candidates; leaves the network and its modes as they were."""
        return torch.arange(size, device=candidates.rows.device)

    def cost(self, num_current: int, num_candidates: int) -> tuple[int, int]:
        """Returns how many samples a choice sends forward and backward."""
        return num_candidates, 0


class Visit(Piece, ABC):
    """Decides which rows each step of an epoch visits."""

    replay_size: int = 0
    choose: Choose = Choose()
    forward_mode: str = "joint"
    last_batch: LastBatch = KEEP

    def begin_run(self, task: Task, last_batch: LastBatch = KEEP) -> None:
        """Takes the task that the network learns, and what becomes of the rows that fill no step."""
        self.last_batch = last_batch
        if self.choose is not Visit.choose:  # the class's own is shared, and needs no task
            self.choose.task = task

    def look_ahead(self, look: Look, phase: int, epoch: int) -> None:
        """Is called before the steps of an epoch are worked out, with the weights that it begins with."""

    @abstractmethod
    def current_rows(self, this_round: Round) -> np.ndarray:
        """Returns the rows that an epoch visits once each."""

    def epoch(self, this_round: Round, epoch: int, batch_size: int, phase: int = 0) -> list[StepRows]:
        """Returns the rows of each step; `last_batch` says what becomes of those that are left over.

        Args:
            this_round: the round whose rows are visited.
            epoch: number of the epoch in its phase, from 0.
            batch_size: m.
            phase: number of the fit in its round, from 0; each has an order of its own.
        """
        rng = this_round.rng(of_phase("batch order", phase), epoch)
        order = rng.permutation(self.current_rows(this_round))
        ends = np.cumsum(step_sizes(len(order), batch_size, self.last_batch))
        batches = np.split(order[: ends[-1]], ends[:-1])
        history, rng = this_round.history_rows, this_round.rng(of_phase("replay", phase), epoch)
        replays = [self.replay(history, rng) for _ in batches]
        return [StepRows(batch, replay) for batch, replay in zip(batches, replays, strict=True)]

    def replay(self, history: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Returns the history rows of one step: none."""
        return history[:0]

    def num_replayed(self, num_history: int) -> int:
        """Returns how many rows a step replays from a history of this size, which may hold fewer than `replay_size`."""
        return min(self.replay_size, num_history)

    def step_rows(self, num_current: int, num_history: int, batch_size: int) -> int:
        """Returns how many rows a full step has, new and replayed; there may be too few of either."""
        return min(batch_size, num_current) + self.num_replayed(num_history)

    def lr_factor(self, num_current: int, num_history: int, batch_size: int) -> float:
        """Returns the factor on the learning rate of a round, if the optimizer scales it."""
        return 1.0


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
        choose: picks replay_size of the candidates; `None` draws replay_size rows uniformly.
        lr_scale: `linear` multiplies the learning rate of rounds with replay by (rows of a step) / m if the optimizer
            has `scales_lr` (SGD); a step has m + m^(h) rows, or fewer if labels or history are short. `none` does not.
        forward_mode: `joint` sends current and replayed rows through the network together, `separate` one after the
            other (replayed rows first), which normalises each by its own batch statistics.
    """

    def __init__(
        self,
        replay_size: int,
        num_candidates: int | None = None,
        choose: Choose | None = None,
        lr_scale: str = "none",
        forward_mode: str = "joint",
    ) -> None:
        one_of("method.visit.lr_scale", lr_scale, ("none", "linear"))
        one_of("method.visit.forward_mode", forward_mode, ("joint", "separate"))
        if replay_size < 1:
            raise ValueError(f"method.visit.replay_size wants 1 row or more, got {replay_size}; use finetune_new")
        if choose is not None and (num_candidates or 0) <= replay_size:
            raise ValueError(
                f"method.visit.num_candidates is {num_candidates}, so {type(choose).__name__} would have no choice but "
                f"to replay all of them (replay_size is {replay_size}): that is cal_er; raise num_candidates above "
                "replay_size or lower replay_size"
            )
        self.replay_size, self.choose = replay_size, choose or Choose()
        self.num_drawn = (num_candidates or replay_size) if choose is not None else replay_size
        self.lr_scale, self.forward_mode = lr_scale, forward_mode
        self.num_history = 0

    def begin_round(self, this_round: Round) -> None:
        self.num_history = len(this_round.history_rows)
        self.choose.begin_round(this_round)

    def replay(self, history: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return history[rng.choice(len(history), min(self.num_drawn, len(history)), replace=False, shuffle=False)]

    def lr_factor(self, num_current: int, num_history: int, batch_size: int) -> float:
        """Returns the rows that a step has, divided by m, and at least 1; without replay it is 1."""
        if self.lr_scale == "none" or not self.num_replayed(num_history):
            return 1.0
        return max(1.0, self.step_rows(num_current, num_history, batch_size) / batch_size)

    def notes(self) -> dict[str, float]:
        chooses = self.num_drawn > self.replay_size
        if not chooses or not self.num_history:
            return {}
        whole = self.num_history <= self.replay_size
        return {**({"whole_history_replayed": float(self.num_history)} if whole else {}), **self.choose.notes()}

    def fit_state(self) -> dict[str, Any]:
        return self.choose.fit_state()

    def load_fit_state(self, state: dict[str, Any]) -> None:
        self.choose.load_fit_state(state)


def of_phase(purpose: str, phase: int) -> str:
    """Returns the purpose of the random numbers of one phase of a round; the first phase has the plain name."""
    return f"{purpose} of phase {phase}" if phase else purpose


def refuse_unlabelled(steps: list[StepRows], this_round: Round) -> None:
    """Raises a ValueError if the steps of an epoch visit nothing, or rows whose labels have not been bought."""
    rows = np.concatenate([part for step in steps for part in (step.current, step.replay)] or [np.empty(0, np.int64)])
    where, pool = f"round {this_round.number}: method.visit", this_round.pool
    if not len(rows) or not all(len(step.current) for step in steps):
        refuse_in_vain(this_round)
        raise ValueError(f"{where} plans an epoch or a step without rows; let current_rows return labelled ones")
    strangers = rows[(rows < 0) | (rows >= len(pool.round_of))]
    hidden = strangers if len(strangers) else rows[(pool.round_of[rows] <= 0) | pool.without_class[rows]]
    if len(hidden):
        raise ValueError(
            f"{where} visits {len(np.unique(hidden))} rows whose labels have not been bought (first: "
            f"{np.unique(hidden)[:5].tolist()}); choose among this_round.pool.labelled"
        )


def refuse_in_vain(this_round: Round) -> None:
    """Raises a ValueError if every row that was bought for a round is of an unknown class."""
    bought = this_round.pool.bought.get(this_round.number, this_round.pool.nothing)
    if len(bought) and this_round.pool.without_class[bought].all():
        others = ", or choose a method that trains on those of all rounds, such as al" if this_round.number > 1 else ""
        raise ValueError(
            f"round {this_round.number} has nothing to train on, for all {len(bought)} rows bought for it are of "
            f"unknown classes; let the budget buy more rows for each round{others}"
        )


def refuse_spoilt(visit: Visit, positions: object, net: nn.Module) -> None:
    """Raises a ValueError if a choice is of another size than wanted, or leaves the network in evaluation mode."""
    name, wanted = f"method.visit.choose {type(visit.choose).__name__}", visit.replay_size
    if not isinstance(positions, Tensor) or positions.shape != (wanted,) or positions.is_floating_point():
        came = f"{positions.dtype} of shape {tuple(positions.shape)}" if isinstance(positions, Tensor) else positions
        raise ValueError(
            f"{name} wants to replay {came}, but a step replays {wanted} rows; return a tensor of `size` positions of "
            "candidates"
        )
    if not net.training:
        raise ValueError(
            f"{name} leaves the network in evaluation mode; look at it within calrun.model.adapt.mode.in_mode"
        )


def refuse_repeats(visit: Visit, positions: Tensor, num_candidates: int) -> None:
    """Raises a ValueError if a choice repeats candidates or names others; asks the device."""
    chosen = positions.tolist()
    outside = [position for position in chosen if not 0 <= position < num_candidates]
    if outside or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"method.visit.choose {type(visit.choose).__name__} returns {len(chosen) - len(set(chosen))} repeats and "
            f"{len(outside)} positions outside 0 to {num_candidates - 1} (first: {chosen[:5]}); return distinct ones"
        )
