"""Temporal output discrepancy. Huang et al. 2021, "Semi-Supervised Active Learning with Temporal Output Discrepancy".

Sec. 3.3, cyclic output discrepancy (COD): the rows on which this round's network differs most from the last round's are
bought. Sec. 3.4: its semi-supervised loss trains on unlabelled rows too, against a teacher (calrun/part/teacher.py).

Differs from the paper: the semi-supervised loss is off unless `weight` is above 0, so that methods are compared on the
same labels. In round 1, where there is no last round, rows are random; `first_round=released` does what the authors'
code does.

Dimension key: N candidates, B rows of one chunk, C classes.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.by_chunks import scored, scored_cost
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.of_pixels import COLUMN, mean_over_pixels, pixels_of
from calrun.acquisition.kernel.top_k import finite, largest, smallest
from calrun.look.columns import LONG, Column, given
from calrun.look.predict import Seen
from calrun.look.sizes import FLOAT, Sizes
from calrun.look.view import View
from calrun.part.part import Part
from calrun.part.setup import BACKWARD
from calrun.part.teacher import Teacher
from calrun.text.legal import at_least, one_of

ROUND = "round_number"
NETWORKS = 2  # that pass over the pixels
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
        scores_N = self.scores(candidates)
        if int(candidates.column(ROUND)) > 1:
            return largest(scores_N, candidates.rows, budget)
        if self.first_round == "released":
            return smallest(scores_N, candidates.rows, budget)
        finite(scores_N, candidates.rows, "scores")
        rows: np.ndarray = rng.permutation(np.sort(candidates.rows))[: max(budget, 0)].astype(np.int64)
        return rows

    def scores(self, candidates: Candidates) -> Tensor:
        """Returns how far each row's prediction has moved (N,)."""
        return scored(discrepancy, candidates.logits_NC, candidates.previous_logits_NC)

    def width(self, sizes: Sizes) -> int:
        """Returns how many numbers of a row `scores` reads."""
        return 2 * sizes.classes

    def for_pixels(self) -> Acquisition:
        weight = 0.0 if self.teacher is None else self.teacher.weight
        return TodOfPixels(self.first_round, weight, self.planned_epochs)

    def cost(self, sizes: Sizes) -> Cost:
        """Returns the cost of a pass over the columns in double precision, and of the semi-supervised loss.

        A plan has no other place for the unlabelled rows of a fit: as many as the labelled ones in each epoch.
        """
        score = scored_cost(sizes.candidates, self.width(sizes))
        if self.teacher is None:
            return score
        return score + Cost(flops=PASSES * sizes.forward_flops * sizes.labelled).times(self.planned_epochs)


class TodOfPixels(Tod):
    """Takes the rows whose predictions of pixels have moved most on average.

    Both networks pass over the same batches, so that no map of pixels outlives its batch.
    """

    needs = frozenset({COLUMN, ROUND})

    @property
    def called(self) -> str:
        return Tod.__name__

    def columns(self) -> dict[str, Column]:
        moved = Column(
            COLUMN,
            lambda sizes: FLOAT * sizes.candidates,
            make=moved_pixels,
            passes=lambda sizes: NETWORKS,
            previous=True,
        )
        return {**super().columns(), COLUMN: moved}

    def scores(self, candidates: Candidates) -> Tensor:
        return candidates.column(COLUMN)[:, 0]

    def width(self, sizes: Sizes) -> int:
        return 1


def moved_pixels(view: View) -> Tensor:
    """Returns the mean over pixels of each candidate's discrepancy between two networks (N, 1)."""
    source, rows = view.split("candidates")
    net, before = view.net, view.previous
    assert before is not None  # the method keeps it where a column says so
    if not len(rows):
        return torch.empty(0, 1)

    def of(seen: Seen) -> Tensor:
        maps = (pixels_of(each.output.logits_BC) for each in (seen, replace(seen, net=before)))
        return mean_over_pixels(discrepancy, *maps)[:, None]

    with view.predictor.evaluating(before):
        return view.predictor(net, source, rows, {COLUMN: of})[COLUMN]


def discrepancy(logits_BC: Tensor, previous_BC: Tensor) -> Tensor:
    """Returns half the squared distance of two predictions (B,), from 0 to 1."""
    return (logits_BC.softmax(dim=1) - previous_BC.softmax(dim=1)).square().sum(dim=1) / 2
