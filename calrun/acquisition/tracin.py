"""Influence along the training, as the ablation of DISAL compares with it (paper 004, supplement, Sec. 2.3).

TracIn: Pruthi et al. 2020, Sec. 3. `tracin_full` sums over all epochs, `tracin_last` over the latter half of them.

Differs from the paper: its label-free summand stands in a part of DISAL's text that is not public. Here it is
reconstructed: to first order, a row's influence on a step is the change of its loss, and with the label drawn from the
prediction p_t this is KL(p_t || p_{t-1}). Learning rates do not enter.

Dimension key: N candidates, B rows of one chunk, C classes.
"""

from math import ceil

import numpy as np
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.by_chunks import scored_cost
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.top_k import finite, largest
from calrun.look.columns import Column, given
from calrun.look.sizes import FLOAT, Sizes
from calrun.part.part import Part
from calrun.part.trajectory import SavedTrajectory, Summand, Trajectory
from calrun.text.legal import at_least, one_of
from calrun.text.say import warn

COLUMN = "influence"


class Tracin(Acquisition):
    """Takes the rows whose predictions have moved most along the fits of the round.

    Where no prediction has moved, as after a single epoch, rows are random. Where a row has a class for each pixel, it
    is its shares of classes that move: the score is that of the shares, not a mean over pixels.

    Args:
        epochs: `all`, or the `latter_half` of those that were looked at.
        summand: `kl` for KL(p_t || p_{t-1}), or `abs_kl` with the absolute value of each class's term (TDDS).
        checkpoints: `online` looks at all unlabelled rows after each epoch, `saved` saves the weights and looks at the
            end of the round: the same sums, at one file of weights for each epoch.
        every: it looks after each epoch whose number is a multiple of this.
        planned_epochs: of a round at most; the estimate of the cost is made with them.
    """

    needs = frozenset({COLUMN})
    approximation = "a larger acquisition.every"

    def __init__(self, epochs: str, summand: str, checkpoints: str, every: int, planned_epochs: int) -> None:
        one_of("acquisition.epochs", epochs, ("all", "latter_half"))
        one_of("acquisition.summand", summand, SUMMANDS)
        one_of("acquisition.checkpoints", checkpoints, ("online", "saved"))
        at_least(1, "acquisition", every=every)
        if planned_epochs < 2 * every:
            raise ValueError(
                f"acquisition.every is {every}, but two looks or more are to be compared and a round has "
                f"{planned_epochs} epochs (trainer.max_epochs); lower it, or train longer"
            )
        kind = SavedTrajectory if checkpoints == "saved" else Trajectory
        self.trajectory = kind(SUMMANDS[summand], epochs == "latter_half", every)
        self.planned_looks = planned_epochs // every

    def parts(self) -> dict[str, Part]:
        return {"trajectory": self.trajectory}

    def columns(self) -> dict[str, Column]:
        made = given(
            COLUMN,
            lambda view: self.trajectory.of(view.rows),
            lambda sizes: 2.0 * FLOAT * sizes.candidates,
            "candidates",
        )
        return {COLUMN: made}

    def notes(self) -> dict[str, float]:
        return {"epochs_looked_at": float(self.trajectory.seen)}

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        influence_N = candidates.column(COLUMN)
        if not len(candidates) or (finite(influence_N, candidates.rows, "influences") != 0).any():
            return largest(influence_N, candidates.rows, budget)
        warn(
            f"acquisition=tracin: no prediction of {len(candidates):,} rows has moved over the epochs that were looked "
            f"at ({self.trajectory.seen}), so that rows are chosen at random; train for more epochs "
            "(trainer.cal_epochs in rounds that replay), or lower acquisition.every"
        )
        rows: np.ndarray = rng.permutation(np.sort(candidates.rows))[: max(budget, 0)].astype(np.int64)
        return rows

    def cost(self, sizes: Sizes) -> Cost:
        """Returns the cost of the looks during a round's fits, for which a plan has no other place, and of the sums."""
        predictions = 2.0 * FLOAT * sizes.candidates * sizes.classes
        kept = 2.0 * FLOAT * sizes.candidates * ceil(self.planned_looks / 2) * self.trajectory.latter_half
        look = Cost(flops=sizes.forward_flops * sizes.candidates) + scored_cost(sizes.candidates, 2 * sizes.classes)
        return look.times(self.planned_looks).holding(predictions + kept)


def kl(log_now_BC: Tensor, log_before_BC: Tensor) -> Tensor:
    """Returns KL(p_t || p_{t-1}) of each row (B,), from log-probabilities."""
    return (log_now_BC.exp() * (log_now_BC - log_before_BC)).sum(dim=1).clamp(min=0)


def abs_kl(log_now_BC: Tensor, log_before_BC: Tensor) -> Tensor:
    """Returns sum_c |p_t (log p_t - log p_{t-1})| of each row (B,); Zhang et al. 2024 (TDDS), code."""
    return (log_now_BC.exp() * (log_now_BC - log_before_BC)).abs().sum(dim=1)


SUMMANDS: dict[str, Summand] = {"kl": kl, "abs_kl": abs_kl}
