"""A head that learns the mean predictions of a round's fits, and so predicts the training dynamics of other rows.

Kye et al. 2023, "TiDAL: Learning Training Dynamics for Active Learning", Sec. 3.3.

Dimension key: B batch, C classes.
"""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calrun.model.base import Classifier, Output
from calrun.part.batch import Batch
from calrun.part.mean_prediction import MeanPrediction
from calrun.part.part import Part
from calrun.part.taps import TapHead, TapHeadOptions

if TYPE_CHECKING:
    from calrun.part.setup import Setup


class DynamicHead(Part):
    """Lowers KL(mean prediction || its own prediction).

    Args:
        recorder: of the mean predictions.
        weight: of its loss; at 0 there is none.
        head: taps that it reads; `None` for the features alone.
        moves_network: whether its gradient reaches the network.
    """

    def __init__(
        self, recorder: MeanPrediction, weight: float, head: TapHeadOptions | None, moves_network: bool = True
    ) -> None:
        super().__init__()
        self.recorded = [recorder]  # in a list: it is a part of its own
        self.weight, self.options, self.moves_network = weight, head, moves_network

    def build(self, net: Classifier, setup: "Setup") -> None:
        if self.options is None:
            self.head: nn.Module = nn.Linear(net.head.in_features, setup.num_classes)
        else:
            self.head = self.options.build(net, setup, setup.num_classes)

    def logits(self, output: Output) -> Tensor:
        """Returns the logits of the predicted dynamics (B, C)."""
        seen = output.taps if isinstance(self.head, TapHead) else output.features_BD
        logits_BC: Tensor = self.head(seen).float()
        return logits_BC

    def loss(self, current: Batch, replay: Batch | None) -> Tensor | None:
        if not self.weight:
            return None
        batches = [current] if replay is None else [current, replay]
        wanted_BC = torch.cat([self.recorded[0].with_visit(batch) for batch in batches])
        return self.weight * divergence(wanted_BC, torch.cat([self.logits(self._seen(batch)) for batch in batches]))

    def _seen(self, batch: Batch) -> Output:
        if self.moves_network:
            return batch.seen
        taps = {name: tap.detach() for name, tap in batch.seen.taps.items()}
        return Output(batch.logits.detach(), batch.features.detach(), taps)


def divergence(wanted_BC: Tensor, logits_BC: Tensor) -> Tensor:
    """Returns KL(wanted || softmax(logits)), mean over rows."""
    return F.kl_div(logits_BC.log_softmax(dim=1), wanted_BC, reduction="batchmean")
