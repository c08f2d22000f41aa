"""How a round's fits see each row they train on: its data map, and how often it was forgotten.

Confidence, variability and correctness: Swayamdipta et al. 2020 (Dataset Cartography), Sec. 2. Forgetting events:
Toneva et al. 2019, Sec. 3. Both look at every visit of a row in training mode, replayed ones included; nothing more
passes through the network.

Dimension key: N rows of the training set, B batch.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from calrun.model.base import Classifier
from calrun.part.batch import Batch
from calrun.part.part import Part
from calrun.round import Round

if TYPE_CHECKING:
    from calrun.part.setup import Setup

NAME = "recorded_dynamics"  # of the part
RIGHT = 0.5  # a prediction that is a share of right pixels counts as right above it


class Dynamics(Part):
    """Watches the fits of one round, and begins anew with the next.

    The probability of the true label is exp(-loss), with the task's own loss of a row. Sums of squared deviations are
    kept as Welford (1962) does, so that single precision is enough.
    """

    def build(self, net: Classifier, setup: "Setup") -> None:
        self.task, self.num_rows = setup.task, len(setup.train)
        self._clear()

    def begin_round(self, this_round: Round) -> None:
        self._clear()

    def after_step(self, current: Batch, replay: Batch | None) -> None:
        for batch in (current, replay):
            if batch is not None:
                self._visit(batch)

    def fit_state(self) -> dict[str, Any]:
        return {"is_whole": self.is_whole, "told": {name: tensor.cpu() for name, tensor in self.told.items()}}

    def load_fit_state(self, state: dict[str, Any]) -> None:
        self._clear()
        self.is_whole = bool(state.get("is_whole", False))  # a fit that was begun without it has no record
        self.told |= state.get("told", {})

    def table(self) -> dict[str, np.ndarray] | None:
        """Returns one entry for each row that was visited; `None` if none was, or not all fits of the round were seen.

        `row`, `visits`, `confidence` (mean probability of the true label), `variability` (its standard deviation,
        of the population), `correctness` (share of visits with a right prediction), `forgotten` (how often a right
        prediction was followed by a wrong one).
        """
        told = {name: tensor.cpu().numpy() for name, tensor in self.told.items()}
        row = np.flatnonzero(told["visits"])
        if not self.is_whole or not len(row):
            return None
        visits = told["visits"][row]
        return {
            "row": row,
            "visits": visits,
            "confidence": told["mean"][row],
            "variability": np.sqrt(told["squares"][row] / visits),
            "correctness": told["right"][row] / visits.astype(np.float32),
            "forgotten": told["forgotten"][row],
        }

    def _clear(self) -> None:
        whole, share = torch.zeros(self.num_rows, dtype=torch.int32), torch.zeros(self.num_rows)
        self.told = {name: whole.clone() for name in ("visits", "right", "forgotten", "was_right")}
        self.told |= {name: share.clone() for name in ("mean", "squares")}
        self.is_whole = True

    @torch.no_grad()
    def _visit(self, batch: Batch) -> None:
        rows, logits = batch.rows, batch.logits.detach().float()
        if self.told["visits"].device != rows.device:
            self.told = {name: tensor.to(rows.device) for name, tensor in self.told.items()}
        told = self.told
        probability_B = torch.exp(-self.task.losses(logits, batch.y))
        right_B = (self.task.correct(logits, batch.y).float() > RIGHT).int()
        visits_B, before_B = told["visits"][rows] + 1, told["mean"][rows]
        mean_B = before_B + (probability_B - before_B) / visits_B
        told["squares"][rows] += (probability_B - before_B) * (probability_B - mean_B)
        told["mean"][rows], told["visits"][rows] = mean_B, visits_B
        told["forgotten"][rows] += told["was_right"][rows] * (1 - right_B)
        told["right"][rows] += right_B
        told["was_right"][rows] = right_B
