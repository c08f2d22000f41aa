"""Uncertainty of pixels: a row's score is the mean over its pixels of their own score.

Settles 2009, "Active Learning Literature Survey", Sec. 3.1, for each pixel; a picture is labelled as a whole, so that
comparisons on Cityscapes average over it. Where a row has one class, it is that row's own score.

Dimension key: N candidates, B rows of a batch, C classes.
"""

from functools import partial
from typing import Literal

import numpy as np
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.top_k import largest
from calrun.look.columns import Column, per_row
from calrun.look.predict import Seen

COLUMN = "pixel_score"
Measure = Literal["entropy", "margin", "least_confidence"]


class PixelMean(Acquisition):
    """Takes the rows whose pixels are the least certain on average.

    The other scores look at the mean over pixels of the class probabilities, and so at what the whole row holds: half
    road and half sky, each without a doubt, is uncertain there and certain here.

    Args:
        measure: of a pixel: `entropy` of its probabilities, one minus the `margin` between the two largest, or one
            minus the largest (`least_confidence`).
    """

    needs = frozenset({COLUMN})

    def __init__(self, measure: Measure) -> None:
        self.measure = measure

    def columns(self) -> dict[str, Column]:
        return {COLUMN: per_row(COLUMN, partial(mean_score, measure=self.measure), lambda sizes: 1)}

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        return largest(candidates.column(COLUMN), candidates.rows, budget)


def mean_score(seen: Seen, measure: Measure) -> Tensor:
    """Returns the mean score of each row's pixels (B,)."""
    logits = seen.output.logits_BC.float()
    return pixel_scores(logits, measure).flatten(1).double().mean(dim=1).float()


def pixel_scores(logits: Tensor, measure: Measure) -> Tensor:
    """Returns the scores (B, 1) of rows with logits (B, C), or (B, H, W) of pixels with logits (B, C, H, W)."""
    log_probs = logits.log_softmax(dim=1)
    if measure == "entropy":
        scores = -(log_probs.exp() * log_probs).sum(dim=1)
    elif measure == "margin":
        top = log_probs.topk(min(2, logits.shape[1]), dim=1).values.exp()
        scores = 1 - (top[:, 0] - top[:, -1])
    else:
        scores = -log_probs.amax(dim=1).expm1()
    return scores if scores.ndim > 1 else scores[:, None]
