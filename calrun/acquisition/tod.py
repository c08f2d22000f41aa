"""Temporal output discrepancy. Huang et al. 2021, "Semi-Supervised Active Learning with Temporal Output Discrepancy".

Sec. 3.3, cyclic output discrepancy (COD): the rows on which this round's network differs most from the last round's are
bought. Sec. 3.4: its semi-supervised loss trains on unlabelled rows too, against a teacher (calrun/part/teacher.py).

Differs from the paper: the semi-supervised loss is off unless `weight` is above 0, so that methods are compared on the
same labels. In round 1, where there is no last round, rows are random; `first_round=released` does what the authors'
code does.

Dimension key: N candidates, B rows of one chunk, C classes.
"""

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.by_chunks import scored, scored_cost
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.top_k import finite, largest, smallest
from calrun.look.columns import LONG, Column, given
from calrun.look.sizes import Sizes
from calrun.part.part import Part
from calrun.part.setup import BACKWARD
from calrun.part.teacher import Teacher
from calrun.text.legal import at_least, one_of

ROUND = "round_number"
PASSES = 1 + BACKWARD + 2  # of an unlabelled row there and back, and of both rows through the teacher


class Tod(Acquisition):
    """Takes the rows whose prediction has moved most since the last round.

    Args:
        first_round: `random` rows, or `released`: those that have moved least from an untrained network.
        weight: of the semi-supervised loss; at 0 there is none. In the paper 0.02 on CIFAR-10, 0.05 on CIFAR-100, 0.005
            on SVHN and 0.1 on Caltech-101.
        planned_epochs: of a round at most; the estimate of that loss's cost is made with them.
    """

    needs = frozenset({"logits", "previous_logits", ROUND})

    def __init__(self, first_round: str, weight: float, planned_epochs: int) -> None:
        one_of("acquisition.first_round", first_round, ("random", "released"))
        at_least(0, "acquisition", weight=weight)
        self.first_round, self.planned_epochs = first_round, planned_epochs
        self.teacher = Teacher(weight) if weight else None

    def parts(self) -> dict[str, Part]:
        return {} if self.teacher is None else {"teacher": self.teacher}

    def columns(self) -> dict[str, Column]:
        return {ROUND: given(ROUND, lambda view: torch.tensor(view.this_round.number), lambda sizes: LONG)}

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        scores_N = scored(discrepancy, candidates.logits_NC, candidates.previous_logits_NC)
        if int(candidates.column(ROUND)) > 1:
            return largest(scores_N, candidates.rows, budget)
        if self.first_round == "released":
            return smallest(scores_N, candidates.rows, budget)
        finite(scores_N, candidates.rows, "scores")
        rows: np.ndarray = rng.permutation(np.sort(candidates.rows))[: max(budget, 0)].astype(np.int64)
        return rows

    def cost(self, sizes: Sizes) -> Cost:
        """Returns the cost of a pass over two columns of logits in double precision, and of the semi-supervised loss.

        A plan has no other place for the unlabelled rows of a fit: as many as the labelled ones in each epoch.
        """
        score = scored_cost(sizes.candidates, 2 * sizes.classes)
        if self.teacher is None:
            return score
        return score + Cost(flops=PASSES * sizes.forward_flops * sizes.labelled).times(self.planned_epochs)


def discrepancy(logits_BC: Tensor, previous_BC: Tensor) -> Tensor:
    """Returns half the squared distance of two predictions (B,), from 0 to 1."""
    return (logits_BC.softmax(dim=1) - previous_BC.softmax(dim=1)).square().sum(dim=1) / 2
