"""The radius of balls that hold one class."""

import math

import numpy as np
import pytest
import torch

from calrun.acquisition.kernel.factors import Factor, Points
from calrun.acquisition.kernel.lloyd import kmeans
from calrun.acquisition.kernel.purity import EFFORT, nearest_foreign, pure_radius


@pytest.mark.parametrize("chunk", [7, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_the_radius_is_the_largest_with_95_percent_of_pure_balls(seed: int, chunk: int) -> None:
    x_ND = torch.randn(110, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    points = Points([Factor(x_ND)], chunk)
    labels_N = kmeans(points, 4, np.random.default_rng(0), EFFORT).labels_N
    apart_NN = torch.cdist(x_ND, x_ND, compute_mode="donot_use_mm_for_euclid_dist")

    def purity(delta: float) -> float:
        """The paper's pi(delta), literally."""
        balls = (labels_N[apart_NN[i] < delta] == labels_N[i] for i in range(110))
        return sum(bool(ball.all()) for ball in balls) / 110

    radius = pure_radius(points, 4, np.random.default_rng(0))
    assert purity(radius * (1 - 1e-9)) >= 0.95 > purity(radius * (1 + 1e-9))


def test_a_single_label_leaves_no_foreigner() -> None:
    points = Points([Factor(torch.arange(5.0)[:, None])], 2)
    assert nearest_foreign(points, torch.zeros(5, dtype=torch.int64)).tolist() == [math.inf] * 5
    assert pure_radius(points, 1, np.random.default_rng(0)) == math.inf
