"""A head that predicts each row's loss from an inner activation, and an acquisition that takes the highest."""

import numpy as np
import torch
from torch import Tensor, nn

from calrun.acquisition.base import Acquisition, Candidates
from calrun.look.columns import Column, per_row
from calrun.look.predict import Seen
from calrun.model.base import Classifier
from calrun.part.batch import Batch
from calrun.part.part import Part
from calrun.part.setup import Setup

TAP = "1"  # the first linear layer of model=mlp


class LossHead(Part):
    """Learns which of two rows has the higher loss."""

    taps = (TAP,)

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def build(self, net: Classifier, setup: Setup) -> None:
        self.task = setup.task
        self.head = nn.Linear(net.backbone.get_submodule(TAP).out_features, 1)

    def predicted(self, taps: dict[str, Tensor]) -> Tensor:
        return self.head(taps[TAP]).squeeze(1)

    def loss(self, current: Batch, replay: Batch | None) -> Tensor | None:
        if not self.weight:
            return None
        half = len(current.rows) // 2
        losses = self.task.losses(current.logits, current.y).detach()
        predicted = self.predicted(current.seen.taps)
        wanted, found = losses[:half] - losses[half : 2 * half], predicted[:half] - predicted[half : 2 * half]
        return self.weight * torch.relu(1 - wanted.sign() * found).mean()


class HighestLoss(Acquisition):
    """Takes the rows whose predicted loss is highest."""

    needs = frozenset({"predicted_loss"})

    def __init__(self, weight: float) -> None:
        self.head = LossHead(weight)

    def parts(self) -> dict[str, Part]:
        return {"loss_head": self.head}

    def columns(self) -> dict[str, Column]:
        return {"predicted_loss": per_row("predicted_loss", self._predicted, lambda sizes: 1)}

    def _predicted(self, seen: Seen) -> Tensor:
        return self.head.predicted(seen.output.taps)[:, None]

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        order = candidates.column("predicted_loss").squeeze(1).sort(descending=True, stable=True).indices
        return candidates.rows[order[:budget].numpy()]
