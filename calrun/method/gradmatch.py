"""GRAD-MATCH. Killamsetty et al. 2021, "GRAD-MATCH: Gradient Matching based Data Subset Selection for Efficient Deep
Model Training"; in active learning, Beck et al. 2021 (DISTIL), Sec. 4.8, App. F, and their notebook.

Most rounds train on a part of the labelled rows that is chosen anew every few epochs, with weights for which its sum of
gradients is near that of all labelled rows.

Dimension key: N rows, L labelled rows, S chosen rows, B rows of a step.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from calrun.look.predict import features, logits
from calrun.method.composed import Composed
from calrun.method.fit.optimizer import OptimizerFactory
from calrun.method.fit.scale import fewer
from calrun.method.fit.stop import StoppingRule
from calrun.method.match.gradients import batch_gram, errors, row_gram
from calrun.method.match.omp import pursue
from calrun.method.objective import Objective
from calrun.method.phase import Phase
from calrun.method.start import Start
from calrun.method.visit import AllLabelled
from calrun.part.batch import Batch
from calrun.part.part import Part
from calrun.part.piece import Look
from calrun.part.setup import BACKWARD, FitWork, Setup
from calrun.round import Round
from calrun.text.legal import at_least, one_of

COLUMNS = {"logits": logits, "features": features}


class Subset(AllLabelled):
    """Visits the rows of batches, or of each class, whose weighted sum of gradients is near that of all labelled rows.

    Differs from the notebook: gradients are those of unaugmented pictures in evaluation mode.

    Args:
        share: of the labelled rows, above 0 and below 1; 0.3 in Beck et al.
        every_epochs: R, from one choice to the next; 35.
        warm_up_epochs: epochs of each fit on all labelled rows before the first choice; 0.
        full_every_rounds: rounds 1, 1 + this, ... train on all labelled rows, and so does the last; 3.
        unit: what is chosen, whole batches of rows in the order of their purchase (`batch`, as the notebook does) or
            rows, class by class (`class`).
        normalize_gamma: `mean_one` divides the weights by their mean over the chosen rows; `raw` leaves them as they
            are, as in the notebook, where they multiply the learning rate by about 1 / share.
        batch_size: m, of the batches that are chosen.
    """

    def __init__(  # noqa: PLR0913 - the paper's settings, all named
        self,
        share: float,
        every_epochs: int,
        warm_up_epochs: int,
        full_every_rounds: int,
        unit: str,
        normalize_gamma: str,
        batch_size: int,
    ) -> None:
        refuse_share(share)
        at_least(1, "method.visit", every_epochs=every_epochs, full_every_rounds=full_every_rounds)
        at_least(0, "method.visit", warm_up_epochs=warm_up_epochs)
        one_of("method.visit.unit", unit, ("batch", "class"))
        one_of("method.visit.normalize_gamma", normalize_gamma, ("mean_one", "raw"))
        self.share, self.every_epochs, self.warm_up_epochs = share, every_epochs, warm_up_epochs
        self.full_every_rounds, self.unit, self.batch_size = full_every_rounds, unit, batch_size
        self.normalizes = normalize_gamma == "mean_one"
        self.chosen_S: np.ndarray | None = None
        self.gamma_N: Tensor | None = None
        self.num_filled = 0

    def trains_fully(self, this_round: Round) -> bool:
        """Tells whether a round trains on all labelled rows."""
        return (this_round.number - 1) % self.full_every_rounds == 0 or this_round.is_last

    def current_rows(self, this_round: Round) -> np.ndarray:
        """Returns the rows of an epoch; before the first choice of a round, as many rows as it will choose."""
        labelled = this_round.pool.labelled
        if self.trains_fully(this_round):
            return labelled
        return labelled[: self.planned_size(len(labelled))] if self.chosen_S is None else self.chosen_S

    def planned_size(self, num_labelled: int) -> int:
        """Returns how many rows are chosen, to within a batch or a row of each class."""
        if self.unit == "class":
            return math.ceil(self.share * num_labelled)
        return min(num_labelled, self.batch_size * num_units(self.share, num_labelled, self.batch_size))

    def choices(self, epochs: int) -> int:
        """Returns how often rows are chosen in a fit of this many epochs."""
        return math.ceil(max(0, epochs - self.warm_up_epochs) / self.every_epochs)

    def begin_round(self, this_round: Round) -> None:
        self.this_round, self.num_filled = this_round, 0
        self.chosen_S = self.gamma_N = None

    def look_ahead(self, look: Look, phase: int, epoch: int) -> None:
        this_round, since = self.this_round, epoch - self.warm_up_epochs
        if self.trains_fully(this_round):
            return
        if since < 0:
            self.chosen_S, self.gamma_N = this_round.pool.labelled, None
        elif since % self.every_epochs == 0:
            self._choose(look, this_round.rng("gradient matching", phase, epoch))

    def gamma_of(self, rows: Tensor) -> Tensor | None:
        """Returns the weights of rows (B,); `None` where all rows count alike."""
        if self.gamma_N is None:
            return None
        self.gamma_N = self.gamma_N.to(rows.device)  # moves once a choice
        return self.gamma_N[rows]

    def notes(self) -> dict[str, float]:
        if self.chosen_S is None:
            return {}
        return {"subset_rows": float(len(self.chosen_S)), "filled_rows": float(self.num_filled)}

    def fit_state(self) -> dict[str, Any]:
        chosen = None if self.chosen_S is None else torch.from_numpy(self.chosen_S)
        gamma = None if self.gamma_N is None else self.gamma_N.cpu()
        return {"chosen": chosen, "gamma": gamma, "filled": self.num_filled}

    def load_fit_state(self, state: dict[str, Any]) -> None:
        self.chosen_S = None if state["chosen"] is None else state["chosen"].numpy()
        self.gamma_N, self.num_filled = state["gamma"], state["filled"]

    def _choose(self, look: Look, rng: np.random.Generator) -> None:
        pool = self.this_round.pool
        seen = look(pool.labelled, COLUMNS)
        targets_L = pool.targets_of(pool.labelled)
        errors_LC, features_LD = errors(seen["logits"], targets_L), seen["features"].double().numpy()
        positions, gamma_S, filled = (
            matched_batches(errors_LC, features_LD, self.share, self.batch_size, rng)
            if self.unit == "batch"
            else matched_rows(errors_LC, features_LD, targets_L, self.share, rng)
        )
        self.num_filled, self.chosen_S = filled, pool.labelled[positions]
        self.gamma_N = torch.zeros(len(pool.round_of))
        self.gamma_N[torch.from_numpy(self.chosen_S)] = torch.from_numpy(
            gamma_S / gamma_S.mean() if self.normalizes else gamma_S
        ).float()


class WeightedLoss(Objective):
    """The mean of the rows' losses, each times its weight; without weights, the task's loss."""

    weights_of: Callable[[Tensor], Tensor | None] = staticmethod(lambda rows: None)

    def __call__(self, current: Batch, replay: Batch | None) -> Tensor:
        gamma_B = self.weights_of(current.rows)
        if gamma_B is None:
            return self.task.loss(current.logits, current.y)
        losses_B = self.task.losses(current.logits, current.y)
        return (gamma_B.to(losses_B) * losses_B).mean()


class GradMatch(Composed):
    """Trains most rounds on a weighted part of the labelled rows.

    Args:
        visit: chooses the part.
        objective: weighs its rows.
    """

    visit: Subset

    def __init__(  # noqa: PLR0913 - the pieces of a method, all named
        self,
        start: Start,
        visit: Subset,
        objective: WeightedLoss,
        optimizer: OptimizerFactory,
        stop: StoppingRule,
        setup: Setup,
        phases: Sequence[Phase] = (Phase(),),
        parts: Mapping[str, Part] | None = None,
    ) -> None:
        super().__init__(start, visit, objective, optimizer, stop, setup, phases, parts)
        objective.weights_of = visit.gamma_of
        visit.every_epochs = fewer(visit.every_epochs, setup.scale)
        visit.warm_up_epochs = fewer(visit.warm_up_epochs, setup.scale)

    def problems(self, sizes: Sequence[int], input_shape: Sequence[int]) -> list[str]:
        problems = super().problems(sizes, input_shape)
        if self.setup_.train.targets.ndim == 1:
            return problems
        return [*problems, "method: gradient matching wants one class for each row; choose method=al or method=al_ws"]

    def planned(self, this_round: Round) -> FitWork:
        """Returns the work of an epoch on the chosen rows, to which that of the warm-up and the choices is added."""
        work, visit = super().planned(this_round), self.visit
        if visit.trains_fully(this_round):
            return work
        num_labelled = len(this_round.pool.labelled)
        fits = [rule.max_epochs for rule in self.stop_rules(this_round.number)]
        warm = sum(min(visit.warm_up_epochs, epochs) for epochs in fits)
        looks = num_labelled * sum(map(visit.choices, fits))
        more = (1 + BACKWARD) * warm * (num_labelled - work.samples)
        return replace(work, passes=work.passes + more // max(1, work.epochs), looks=work.looks + looks)


def matched_batches(
    errors_LC: np.ndarray, features_LD: np.ndarray, share: float, batch_size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, int]:
    """Returns the positions of the rows of the chosen batches, their weights, and how many rows were drawn at random.

    Every row has its batch's weight. Where the pursuit ends early, batches are drawn for the rest, with weight 1.
    """
    starts_B = np.arange(0, len(errors_LC), batch_size)
    gram_BB = batch_gram(errors_LC, features_LD, starts_B)
    batches, gamma, drawn = filled(gram_BB, num_units(share, len(errors_LC), batch_size), rng)
    rows = [np.arange(start, min(start + batch_size, len(errors_LC))) for start in starts_B[batches].tolist()]
    sizes = [len(each) for each in rows]
    return np.concatenate(rows), np.repeat(gamma, sizes), sum(sizes[len(sizes) - drawn :])


def matched_rows(
    errors_LC: np.ndarray, features_LD: np.ndarray, targets_L: np.ndarray, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, int]:
    """Returns the positions of rows chosen class by class, their weights, and how many of them were drawn at random."""
    positions, gammas, drawn = [], [], 0
    for c in np.unique(targets_L).tolist():
        own = np.flatnonzero(targets_L == c)
        chosen, gamma, num_drawn = filled(
            row_gram(errors_LC[own], features_LD[own]), num_units(share, len(own), 1), rng
        )
        positions.append(own[chosen])
        gammas.append(gamma)
        drawn += num_drawn
    return np.concatenate(positions), np.concatenate(gammas), drawn


def filled(gram_UU: np.ndarray, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
    """Returns `size` of the units whose sum is matched, their weights, and how many of them, the last, are drawn."""
    chosen, gamma = pursue(gram_UU, gram_UU.sum(axis=1), size)
    rest = np.setdiff1d(np.arange(len(gram_UU)), chosen)
    drawn = rng.choice(rest, size - len(chosen), replace=False)
    return np.append(chosen, drawn), np.append(gamma, np.ones(len(drawn))), len(drawn)


def num_units(share: float, num_rows: int, rows_per_unit: int) -> int:
    """Returns ceil(share * N / m), of at most ceil(N / m) units."""
    exact = round(share * num_rows / rows_per_unit, ndigits=9)  # or 0.3 * 10 would be above 3
    return max(1, min(math.ceil(exact), math.ceil(num_rows / rows_per_unit)))


def refuse_share(value: float) -> None:
    """Raises a ValueError if a share of the labelled rows cannot be meant."""
    if not 0 < value < 1:
        raise ValueError(f"method.visit.share wants a share above 0 and below 1, got {value}; all rows are method=al")
