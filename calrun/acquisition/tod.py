"""Temporal output discrepancy. Huang et al. 2021, "Semi-Supervised Active Learning with Temporal Output Discrepancy".

Sec. 3.3, cyclic output discrepancy (COD): the rows on which this round's network differs most from the last round's are
bought.

Differs from the paper: its semi-supervised loss is left out, since a fit has no second stream of unlabelled rows. In
round 1, where there is no last round, rows are random; `first_round=released` does what the authors' code does.

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
from calrun.text.legal import one_of

ROUND = "round_number"


class Tod(Acquisition):
    """Takes the rows whose prediction has moved most since the last round.

    Args:
        first_round: `random` rows, or `released`: those that have moved least from an untrained network.
    """

    needs = frozenset({"logits", "previous_logits", ROUND})

    def __init__(self, first_round: str) -> None:
        one_of("acquisition.first_round", first_round, ("random", "released"))
        self.first_round = first_round

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
        """Returns the cost of a pass over two columns of logits in double precision."""
        return scored_cost(sizes.candidates, 2 * sizes.classes)


def discrepancy(logits_BC: Tensor, previous_BC: Tensor) -> Tensor:
    """Returns half the squared distance of two predictions (B,), from 0 to 1."""
    return (logits_BC.softmax(dim=1) - previous_BC.softmax(dim=1)).square().sum(dim=1) / 2
