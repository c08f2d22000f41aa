"""What a round's fits have predicted of each labelled row, on average: the training dynamics that heads learn.

Kye et al. 2023, "TiDAL: Learning Training Dynamics for Active Learning", Sec. 3.2.

Differs from the paper: what is averaged are visits of a row and not epochs, which is the same where each epoch visits
each row once; the record is kept beside the network and not in the data set, where workers would see an old copy. Of
pixels the mean over a picture is recorded, its shares of classes: crops and mirrors move pixels between visits.

Dimension key: B batch, C classes, L labelled rows, N rows of the training set.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from calrun.model.base import Classifier
from calrun.part.batch import Batch
from calrun.part.part import Part
from calrun.round import Round

if TYPE_CHECKING:
    from calrun.part.setup import Setup


class MeanPrediction(Part):
    """Keeps the mean prediction of each labelled row over the visits of one round, and begins anew with the next.

    Args:
        decay: `None` for the mean of all visits so far; otherwise the share of the record that a visit keeps (0.9).
    """

    at_N: Tensor
    mean_LC: Tensor
    visits_L: Tensor

    def __init__(self, decay: float | None = None) -> None:
        super().__init__()
        self.decay = decay

    def build(self, net: Classifier, setup: "Setup") -> None:
        self.task, self.num_rows, self.num_classes = setup.task, len(setup.train), setup.num_classes
        self._clear(np.empty(0, dtype=np.int64))

    def begin_round(self, this_round: Round) -> None:
        self._clear(this_round.pool.labelled)

    def after_step(self, current: Batch, replay: Batch | None) -> None:
        for batch in (current, replay):
            if batch is not None:
                mean_BC, at_B = self.with_visit(batch), self.at_N[batch.rows]
                self.mean_LC[at_B] = mean_BC
                self.visits_L[at_B] += 1

    @torch.no_grad()
    def with_visit(self, batch: Batch) -> Tensor:
        """Returns the mean predictions of a batch's rows, with the one that the batch holds (B, C)."""
        self._move(batch.rows.device)
        at_B = self.at_N[batch.rows]
        before_BC, visits_B = self.mean_LC[at_B], self.visits_L[at_B]
        seen_BC = self.task.reduced(batch.logits.detach()).float().softmax(dim=1)
        share_B = 1 / (visits_B + 1)
        if self.decay is not None:
            share_B = torch.where(visits_B > 0, 1 - self.decay, share_B)
        mean_BC: Tensor = before_BC + share_B[:, None] * (seen_BC - before_BC)
        return mean_BC

    def fit_state(self) -> dict[str, Any]:
        return {"mean": self.mean_LC.cpu(), "visits": self.visits_L.cpu()}

    def load_fit_state(self, state: dict[str, Any]) -> None:
        self.mean_LC, self.visits_L = state["mean"], state["visits"]

    def _clear(self, labelled: np.ndarray) -> None:
        self.at_N = torch.full((self.num_rows,), -1)  # the place of each row in the record
        self.at_N[torch.from_numpy(labelled)] = torch.arange(len(labelled))
        self.mean_LC, self.visits_L = torch.zeros(len(labelled), self.num_classes), torch.zeros(len(labelled))

    def _move(self, device: torch.device) -> None:
        if self.mean_LC.device != device or self.at_N.device != device:
            self.at_N, self.mean_LC = self.at_N.to(device), self.mean_LC.to(device)
            self.visits_L = self.visits_L.to(device)
