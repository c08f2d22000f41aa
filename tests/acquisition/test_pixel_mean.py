"""The score of a row is the mean of those of its pixels.

Dimension key: B batch, C classes, H W height and width.
"""

import math

import numpy as np
import pytest
import torch
from torch import nn

from calrun.acquisition.base import Candidates
from calrun.acquisition.pixel_mean import COLUMN, Measure, PixelMean, mean_score, pixel_scores
from calrun.look.predict import Seen
from calrun.model.adapt.pixels import PixelClassifier, interpolated

MEASURES: tuple[Measure, ...] = ("entropy", "margin", "least_confidence")


def seen_of(x: torch.Tensor) -> Seen:
    torch.manual_seed(0)
    net = PixelClassifier(nn.Conv2d(1, 4, 1), 4, 3, 0.0, interpolated).eval()
    return Seen(net, x, lambda logits: logits)


@pytest.mark.parametrize(
    ("measure", "expected"),
    [("entropy", 0.5 * math.log(2) + 0.25 * math.log(4) * 2), ("margin", 0.75), ("least_confidence", 0.5)],
)
def test_the_score_of_a_pixel_by_hand(measure: Measure, expected: float) -> None:
    logits = torch.tensor([[0.5, 0.25, 0.25]]).log()
    torch.testing.assert_close(pixel_scores(logits, measure), torch.tensor([[expected]]))


@pytest.mark.parametrize("measure", MEASURES)
def test_a_rows_score_is_the_mean_over_its_pixels(measure: Measure) -> None:
    x = torch.randn(3, 1, 4, 5)
    seen = seen_of(x)
    by_pixel = pixel_scores(seen.output.logits_BC.movedim(1, 3).reshape(-1, 3), measure)
    torch.testing.assert_close(mean_score(seen, measure), by_pixel.view(3, 20).mean(dim=1))
    torch.testing.assert_close(mean_score(seen_of(x.flip(3)), measure), mean_score(seen, measure))


def test_certain_pixels_of_several_classes_are_certain() -> None:
    """Where the mean of probabilities is as uncertain as can be."""
    logits = torch.zeros(1, 2, 1, 2)
    logits[0, 0, 0, 0] = logits[0, 1, 0, 1] = 60
    assert pixel_scores(logits, "entropy").mean().item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("measure", MEASURES)
def test_probabilities_that_vanish_are_finite(measure: Measure) -> None:
    assert pixel_scores(torch.tensor([[1e4, 0.0, -1e4]]), measure).isfinite().all()


def test_the_largest_scores_are_taken() -> None:
    candidates = Candidates(np.array([5, 7, 9]), {COLUMN: torch.tensor([0.1, 0.9, 0.5])})
    assert PixelMean("entropy").select(candidates, 2, np.random.default_rng(0)).tolist() == [7, 9]
