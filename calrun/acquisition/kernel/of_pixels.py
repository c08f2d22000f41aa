"""Scores of rows that have a class for each pixel: the mean over the pixels of their own scores.

Settles 2009, "Active Learning Literature Survey", Sec. 3.1, for each pixel; a picture is labelled as a whole, so that
comparisons on Cityscapes average over it. What a picture holds is another thing: half road and half sky, each without a
doubt, is certain here, while the mean of its pixels' probabilities is as uncertain as can be. All pixels count alike,
for whoever asks does not know which of them will be labelled.

Dimension key: N candidates, B rows of a batch, C classes, S pixels of a row, P those of a chunk, K Monte-Carlo samples.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.top_k import largest
from calrun.look.columns import DROPOUT, Column, per_row
from calrun.look.dropout import DIFFERENT
from calrun.look.predict import Seen, sampled_logits
from calrun.look.sizes import FLOAT

COLUMN = "pixel_score"
NUMBERS_AT_ONCE = 2**20  # of logits that are scored together, so that temporary tensors stay small
PixelScore = Callable[..., Tensor]  # of one map's pixels or several's, (P, ...), to (P,)


class OfPixels(Acquisition):
    """Takes the rows with the largest mean score of their pixels, in the place of an acquisition of whole rows.

    Args:
        called: what sentences and plans call the acquisition that it stands for.
        column: the scores (N, 1), or (N, 2) with whether a row's dropout passes differ.
        num_mc_samples: K, of an acquisition that looks at dropout passes.
    """

    needs = frozenset({COLUMN})

    def __init__(self, called: str, column: Column, num_mc_samples: int = 0) -> None:
        self._called, self.column, self.num_mc_samples = called, column, num_mc_samples

    @property
    def called(self) -> str:
        return self._called

    def columns(self) -> dict[str, Column]:
        return {COLUMN: self.column}

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        scores_N, *differ_N = candidates.column(COLUMN).unbind(dim=1)
        if len(candidates) and any(not each_N.any() for each_N in differ_N):
            passes = f"{self.num_mc_samples} dropout passes"
            raise ValueError(f"{passes} agree exactly in all pixels of {len(candidates)} rows, {DIFFERENT}")
        return largest(scores_N, candidates.rows, budget)


def score_column(score: PixelScore) -> Column:
    """Returns the column of the mean scores of pixels from one pass.

    Args:
        score: of the logits of pixels (P, C); returns (P,).
    """

    def of(seen: Seen) -> Tensor:
        return mean_over_pixels(score, pixels_of(seen.output.logits_BC))[:, None]

    return per_row(COLUMN, of, lambda sizes: 1)


def sampled_column(score: PixelScore) -> Column:
    """Returns the column of the mean scores of pixels from K dropout passes, and of whether these differ at all.

    The K maps of a batch are held together; trainer.predict_batch_size says how large a batch is.

    Args:
        score: of the log-probabilities of pixels in each pass (P, K, C); returns (P,).
    """

    def of(seen: Seen) -> Tensor:
        logits_BKCS = torch.stack([pixels_of(logits) for logits in sampled_logits(seen)], dim=1)
        differ_B = (logits_BKCS != logits_BKCS[:, :1]).flatten(1).any(dim=1)
        scores_B = mean_over_pixels(lambda logits_PKC: score(logits_PKC.log_softmax(dim=2)), logits_BKCS)
        return torch.stack([scores_B, differ_B.to(scores_B)], dim=1)

    return Column(
        COLUMN,
        lambda sizes: 2 * FLOAT * sizes.candidates,
        of=of,
        passes=lambda sizes: sizes.mc_samples,
        wants=DROPOUT,
    )


def pixels_of(logits: Tensor) -> Tensor:
    """Returns logits (B, C, H, W) as (B, C, S), and those of whole rows (B, C) as of a single pixel."""
    return logits.reshape(*logits.shape[:2], -1)


def mean_over_pixels(score: PixelScore, *maps: Tensor) -> Tensor:
    """Returns the mean over its pixels of each row's scores (B,), in double precision and some pixels at a time.

    A row of which a pixel has a logit that is not finite has no finite score.

    Args:
        score: of pixels of each map, (P, ...).
        maps: (B, ..., S).
    """
    return torch.stack([_of_row(score, *rows) for rows in zip(*maps, strict=True)])


def _of_row(score: PixelScore, *maps: Tensor) -> Tensor:
    pixels = [each.movedim(-1, 0) for each in maps]
    at_once = max(1, NUMBERS_AT_ONCE // max(1, maps[0][..., 0].numel()))
    scores = []
    for chunks in zip(*(torch.split(each, at_once) for each in pixels), strict=True):
        scores_P = score(*(chunk.double() for chunk in chunks))
        for chunk in chunks:
            scores_P = scores_P.masked_fill(~chunk.isfinite().flatten(1).all(dim=1), torch.nan)
        scores.append(scores_P)
    return torch.cat(scores).mean()
