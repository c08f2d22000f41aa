"""TiDAL. Kye et al. 2023, "TiDAL: Learning Training Dynamics for Active Learning", Sec. 3.

A head on inner activations learns the mean of what the fit has predicted of each labelled row. It predicts the same of
unlabelled rows, and those whose predicted dynamics are least certain are bought.

Differs from the paper: unless `head_optimizer` says otherwise, the head has the learning rate, decay and schedule of
the network, which in the authors' code are the same; its four BatchNorm layers that nothing there uses are left out.

Dimension key: N candidates, B rows of a batch or chunk, C classes.
"""

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.entropy import Entropy
from calrun.acquisition.kernel.by_chunks import scored, scored_cost
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.top_k import largest
from calrun.look.columns import Column, per_row
from calrun.look.predict import Seen
from calrun.look.sizes import Sizes
from calrun.method.fit.beside import HeadOptimizer
from calrun.part.dynamic_head import DynamicHead
from calrun.part.mean_prediction import MeanPrediction
from calrun.part.part import Part
from calrun.part.taps import TapHeadOptions
from calrun.text.legal import at_least, one_of

COLUMN = "predicted_dynamics"


class Tidal(Acquisition):
    """Takes the rows whose predicted training dynamics are least certain.

    Where a row has a class for each pixel, these are the dynamics of its shares of classes (MeanPrediction), for crops
    and mirrors move pixels between visits: the score is that of the shares, not a mean over pixels.

    Args:
        weight: lambda, of the head's loss; 1 in the paper. 0 trains the network as if there were no head.
        score: `entropy` of the predicted dynamics, or `aum`: their margin of the class that the network predicts.
        head: the taps and the width of the head.
        head_optimizer: what the head has of its own in the network's optimizer; `None` is nothing.
    """

    def __init__(self, weight: float, score: str, head: TapHeadOptions, head_optimizer: HeadOptimizer | None) -> None:
        at_least(0, "acquisition", weight=weight)
        one_of("acquisition.score", score, ("entropy", "aum"))
        self.needs = frozenset({COLUMN} if score == "entropy" else {COLUMN, "logits"})
        self.score = score
        self.recorder = MeanPrediction()
        self.head = DynamicHead(self.recorder, weight, head)
        self.head.own_optimizer = head_optimizer or HeadOptimizer()
        self.entropy = Entropy(mc_dropout=False, num_mc_samples=0, memory_gib=None)

    def parts(self) -> dict[str, Part]:
        return {"mean_prediction": self.recorder, "dynamic_head": self.head}

    def columns(self) -> dict[str, Column]:
        return {COLUMN: per_row(COLUMN, self._predicted, lambda sizes: sizes.classes)}

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        dynamics_NC = candidates.column(COLUMN)
        if self.score == "entropy":
            return self.entropy.select(Candidates(candidates.rows, {"logits": dynamics_NC}), budget, rng)
        return largest(scored(negative_margin, dynamics_NC, candidates.logits_NC), candidates.rows, budget)

    def cost(self, sizes: Sizes) -> Cost:
        """Returns the cost of one pass over the predicted dynamics."""
        if self.score == "entropy":
            return self.entropy.cost(sizes)
        return scored_cost(sizes.candidates, 2 * sizes.classes)

    def _predicted(self, seen: Seen) -> Tensor:
        return self.head.logits(seen.output)


def negative_margin(dynamics_BC: Tensor, logits_BC: Tensor) -> Tensor:
    """Returns max of the other classes' probabilities minus that of the predicted class (B,), from -1 to 1.

    Args:
        dynamics_BC: logits of the predicted dynamics.
        logits_BC: the network's own, whose largest is the predicted class.
    """
    probs_BC, own_B1 = dynamics_BC.softmax(dim=1), logits_BC.argmax(dim=1, keepdim=True)
    others_B = probs_BC.scatter(1, own_B1, -torch.inf).amax(dim=1)
    return others_B - probs_BC.gather(1, own_B1).squeeze(1)
