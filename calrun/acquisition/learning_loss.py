"""Learning Loss. Yoo and Kweon 2019, "Learning Loss for Active Learning", Sec. 3, Eq. 2 and 3.

A head on inner activations learns which of two rows has the higher loss; the rows with the highest predicted losses are
bought.

Differs from the paper: unless `head_optimizer` says otherwise, the head has the learning rate, decay and schedule of
the network, which in the authors' code are the same; replayed rows take part in its pairs; of an odd batch, the row
in the middle has no partner.

Dimension key: N candidates, B batch, P pairs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.top_k import largest
from calrun.look.columns import Column, per_row
from calrun.look.predict import Seen
from calrun.method.fit.beside import HeadOptimizer
from calrun.method.fit.scale import fewer
from calrun.model.base import Classifier
from calrun.part.batch import Batch
from calrun.part.part import Part
from calrun.part.piece import Look
from calrun.part.taps import TapHeadOptions
from calrun.text.legal import at_least, share

if TYPE_CHECKING:
    from calrun.part.setup import Setup

COLUMN = "predicted_loss"
LEAST_ROWS = 2  # of a step: a pair


@dataclass(frozen=True)
class GradientCut:
    """After which epoch the head no longer moves the network.

    Args:
        share: of a fit's epochs; 0.6 in the paper, 120 of 200. At 1 it always moves it, at 0 never.
        epochs: what the share is taken of.
        replay_epochs: what it is taken of in rounds that replay.
    """

    share: float
    epochs: int
    replay_epochs: int

    def __post_init__(self) -> None:
        share("acquisition.cut.share", self.share)
        at_least(1, "acquisition.cut", epochs=self.epochs, replay_epochs=self.replay_epochs)

    def is_after(self, epoch: int, replays: bool, scale: float) -> bool:
        """Tells whether an epoch, counted from 0, comes after the cut; at 120 of 200 the first one is epoch 121."""
        epochs = fewer(self.replay_epochs if replays else self.epochs, scale)
        return not self.share or epoch > round(self.share * epochs)


class LossHead(Part):
    """Learns which of two rows has the higher loss, and predicts the loss of a row up to an unknown scale.

    Args:
        weight: of its loss.
        margin: what two predictions are to differ by.
        head: how it is built.
        cut: when its gradient no longer reaches the network.
    """

    def __init__(self, weight: float, margin: float, head: TapHeadOptions, cut: GradientCut) -> None:
        super().__init__()
        self.weight, self.margin, self.options, self.cut = weight, margin, head, cut
        self.epoch = 0

    def build(self, net: Classifier, setup: "Setup") -> None:
        if self.weight and setup.batch_size < LEAST_ROWS:
            raise ValueError(
                f"acquisition=learning_loss compares two rows of a step, but trainer.batch_size is {setup.batch_size}, "
                "so that its head would learn nothing; raise it"
            )
        self.task, self.scale = setup.task, setup.scale
        self.head = self.options.build(net, setup, num_outputs=1)

    def begin_epoch(self, look: Look, phase: int, epoch: int) -> None:
        self.epoch = epoch

    def loss(self, current: Batch, replay: Batch | None) -> Tensor | None:
        batches = [current] if replay is None else [current, replay]
        if not self.weight or sum(len(batch.rows) for batch in batches) < LEAST_ROWS:
            return None
        losses_B = torch.cat([self.task.losses(batch.logits, batch.y) for batch in batches])
        taps = {name: torch.cat([batch.seen.taps[name] for batch in batches]) for name in self.head.names}
        if self.cut.is_after(self.epoch, replay is not None, self.scale):
            taps = {name: tap.detach() for name, tap in taps.items()}
        return self.weight * ranking_loss(self.predicted(taps), losses_B.detach().float(), self.margin)

    def predicted(self, taps: Mapping[str, Tensor]) -> Tensor:
        """Returns the predicted losses (B,)."""
        predicted_B: Tensor = self.head(taps).squeeze(1).float()
        return predicted_B


class LearningLoss(Acquisition):
    """Takes the rows whose predicted loss is highest.

    Args:
        weight: lambda, of the head's loss; 1 in the paper. 0 trains the network as if there were no head.
        margin: xi; 1 in the paper.
        head: the taps and the width of the head.
        cut: when the head's gradient no longer reaches the network.
        head_optimizer: what the head has of its own in the network's optimizer; `None` is nothing.
    """

    needs = frozenset({COLUMN})

    def __init__(
        self, weight: float, margin: float, head: TapHeadOptions, cut: GradientCut, head_optimizer: HeadOptimizer | None
    ) -> None:
        at_least(0, "acquisition", weight=weight, margin=margin)
        self.head = LossHead(weight, margin, head, cut)
        self.head.own_optimizer = head_optimizer or HeadOptimizer()

    def parts(self) -> dict[str, Part]:
        return {"loss_head": self.head}

    def columns(self) -> dict[str, Column]:
        return {COLUMN: per_row(COLUMN, self._predicted, lambda sizes: 1)}

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        return largest(candidates.column(COLUMN).flatten(), candidates.rows, budget)

    def _predicted(self, seen: Seen) -> Tensor:
        return self.head.predicted(seen.output.taps)[:, None]


def ranking_loss(predicted_B: Tensor, losses_B: Tensor, margin: float) -> Tensor:
    """Returns the mean of max(0, margin - s (l_i - l_j)) over the pairs of a row and its mirror image in the batch.

    s is 1 where row i has the higher loss, and otherwise -1, also for equal losses, as in the authors' code.
    """
    half = len(losses_B) // 2
    higher_P = losses_B[:half] > losses_B.flip(0)[:half]
    gap_P = predicted_B[:half] - predicted_B.flip(0)[:half]
    return (margin - torch.where(higher_P, gap_P, -gap_P)).relu().mean()
