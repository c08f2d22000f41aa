"""DISAL, reconstructed: NOT the authors' method, whose text and code are not public.

"Tracing Training Progress: Dynamic Influence Based Selection for Active Learning", ACM MM 2024, is known here by its
abstract and its supplement (paper 004) alone. What stands here is put together from those, from TDDS (Zhang et al.
2024, "Spanning Training Progress") and from TiDAL (Kye et al. 2023); its numbers must not be presented as the paper's.

Known: an extra loss aligns something with a generalised predicted probability that is recorded during training; rows
are chosen by their influence along the training; neither checkpoints nor passes over the pool are needed for it.

Reconstructed, all of it: the influence of a row on a step is to first order the change of its loss; in expectation
under the prediction p_t this is KL(p_t || p_{t-1}) (calrun/acquisition/tracin.py). Against the whole trajectory p_{t-1}
becomes the mean prediction. A head learns that on labelled rows and predicts it as q on others; the score of a row is
KL(p || q).

Dimension key: N candidates, B rows of a batch or chunk, C classes, D features.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.by_chunks import scored, scored_cost
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.top_k import largest
from calrun.acquisition.tracin import abs_kl, kl
from calrun.look.columns import Column, per_row
from calrun.look.predict import Seen
from calrun.look.sizes import Sizes
from calrun.method.fit.beside import HeadOptimizer
from calrun.model.base import Classifier, Output
from calrun.part.dynamic_head import DynamicHead
from calrun.part.mean_prediction import MeanPrediction
from calrun.part.part import Part
from calrun.part.taps import TapHeadOptions
from calrun.text.legal import at_least, one_of

if TYPE_CHECKING:
    from calrun.part.setup import Setup

COLUMN = "predicted_dynamics"


class MainOutput(DynamicHead):
    """Aligns the network's own output with the mean predictions."""

    def build(self, net: Classifier, setup: "Setup") -> None:
        self.task = setup.task

    def logits(self, output: Output) -> Tensor:
        return self.task.reduced(output.logits_BC).float()


@dataclass(frozen=True)
class DynamicHeadOptions:
    """What learns the mean predictions.

    Args:
        kind: `linear` on the features, `multi` on taps as in TiDAL, or `none`: the network's own output is aligned, and
            q is the prediction of the last round's network.
        taps: of a `multi` head.
        moves_network: whether the head's gradient reaches the network.
    """

    kind: str
    taps: TapHeadOptions
    moves_network: bool

    def __post_init__(self) -> None:
        one_of("acquisition.head.kind", self.kind, ("linear", "multi", "none"))
        if self.kind == "none" and not self.moves_network:
            raise ValueError(
                "acquisition.head.kind=none aligns the network's own output, but acquisition.head.moves_network=false "
                "keeps it from learning that; set it to true, or choose another kind"
            )

    def build(self, recorder: MeanPrediction, weight: float) -> DynamicHead:
        """Returns the part that learns."""
        kind = MainOutput if self.kind == "none" else DynamicHead
        return kind(recorder, weight, self.taps if self.kind == "multi" else None, self.moves_network)


class DisalReconstructed(Acquisition):
    """Takes the rows whose prediction differs most from their predicted training dynamics (reconstructed).

    Where a row has a class for each pixel, both are its shares of classes (MeanPrediction): the score is that of the
    shares, not a mean over pixels.

    Args:
        weight: lambda, of the alignment; 0 trains the network as if there were none. The paper's values are not
            readable; TiDAL's is 1.
        score: `kl_pq` for KL(p || q), `abs_kl` with the absolute value of each class's term (TDDS), `kl_qp`, or
            `last_layer` for the norm of the alignment's gradient in the classifier.
        decay: what a visit keeps of the recorded prediction; `None` is the mean of all visits of a round.
        head: what learns the recorded predictions.
        head_optimizer: what the head has of its own in the network's optimizer; `None` is nothing.
    """

    def __init__(
        self,
        weight: float,
        score: str,
        decay: float | None,
        head: DynamicHeadOptions,
        head_optimizer: HeadOptimizer | None,
    ) -> None:
        at_least(0, "acquisition", weight=weight)
        one_of("acquisition.score", score, SCORES)
        if decay is not None and not 0 < decay < 1:
            raise ValueError(f"acquisition.decay wants a share above 0 and below 1, or null, got {decay}")
        if head.kind == "none" and not (head_optimizer or HeadOptimizer()).is_networks:
            raise ValueError(
                "acquisition.head_optimizer sets what a head trains with, but acquisition.head.kind=none has no head; "
                "leave its values as they are, or choose another kind"
            )
        self.q = "previous_logits" if head.kind == "none" else COLUMN
        self.needs = frozenset({"logits", self.q} | ({"features"} if score == "last_layer" else set()))
        self.score = SCORES[score]
        self.recorder = MeanPrediction(decay)
        self.head = head.build(self.recorder, weight)
        self.head.own_optimizer = head_optimizer or HeadOptimizer()

    def parts(self) -> dict[str, Part]:
        return {"mean_prediction": self.recorder, "dynamic_head": self.head}

    def columns(self) -> dict[str, Column]:
        return {COLUMN: per_row(COLUMN, self._predicted, lambda sizes: sizes.classes)}

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        columns = [candidates.logits_NC, candidates.column(self.q)]
        if "features" in self.needs:
            columns.append(candidates.features_ND)
        return largest(scored(self.score, *columns), candidates.rows, budget)

    def cost(self, sizes: Sizes) -> Cost:
        """Returns the cost of a pass over the columns in double precision."""
        return scored_cost(sizes.candidates, 2 * sizes.classes + sizes.features * ("features" in self.needs))

    def _predicted(self, seen: Seen) -> Tensor:
        return self.head.logits(seen.output)


def kl_pq(p_BC: Tensor, q_BC: Tensor) -> Tensor:
    """Returns KL(p || q) of each row (B,), from logits."""
    return kl(p_BC.log_softmax(dim=1), q_BC.log_softmax(dim=1))


def kl_qp(p_BC: Tensor, q_BC: Tensor) -> Tensor:
    """Returns KL(q || p) of each row (B,), from logits."""
    return kl_pq(q_BC, p_BC)


def abs_kl_pq(p_BC: Tensor, q_BC: Tensor) -> Tensor:
    """Returns sum_c |p_c (log p_c - log q_c)| of each row (B,), from logits."""
    return abs_kl(p_BC.log_softmax(dim=1), q_BC.log_softmax(dim=1))


def last_layer(p_BC: Tensor, q_BC: Tensor, features_BD: Tensor) -> Tensor:
    """Returns |p - q| sqrt(|h|^2 + 1) (B,): the gradient of KL(q || p) by the classifier's weights and bias."""
    gap_BC = p_BC.softmax(dim=1) - q_BC.softmax(dim=1)
    norm_B: Tensor = torch.linalg.vector_norm(gap_BC, dim=1) * (features_BD.square().sum(dim=1) + 1).sqrt()
    return norm_B


SCORES: dict[str, Callable[..., Tensor]] = {
    "kl_pq": kl_pq,
    "abs_kl": abs_kl_pq,
    "kl_qp": kl_qp,
    "last_layer": last_layer,
}
