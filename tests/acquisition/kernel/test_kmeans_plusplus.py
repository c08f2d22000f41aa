"""The law of k-means++ seeding, and its edges."""

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import chi2
from torch import Tensor

from calrun.acquisition.kernel.factors import Factor, Points
from calrun.acquisition.kernel.kmeans_plusplus import (
    kmeans_plusplus,
    kmeans_plusplus_with_trials,
    largest_norm,
    uniform,
)

RUNS = 1500  # enough to notice a wrong law, see the second test


def toy(seed: int = 0, number: int = 5) -> tuple[Points, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    g_NC = torch.randn(number, 3, generator=generator, dtype=torch.float64)
    h_ND = torch.randn(number, 2, generator=generator, dtype=torch.float64)
    product_NE = torch.einsum("nc,nd->ncd", g_NC, h_ND).flatten(1)
    return Points([Factor(g_NC), Factor(h_ND)], 4), (product_NE[:, None] - product_NE).square().sum(dim=2)


def exact_law(squared_NN: Tensor, start_N: Tensor, length: int) -> dict[tuple[int, ...], float]:
    """Returns the probability of each sequence of draws, by enumeration."""
    law = {}
    for sequence in itertools.permutations(range(len(start_N)), length):
        weight_N, probability = start_N.clone(), 1.0
        for i in sequence:
            probability *= float(weight_N[i] / weight_N.sum())
            weight_N = torch.minimum(weight_N, squared_NN[i])
        law[sequence] = probability
    return law


@pytest.mark.parametrize("max_block", [1, 4, 512])
def test_sequences_follow_the_exact_law(max_block: int) -> None:
    points, squared_NN = toy()
    start_N = points.norms_N
    law = exact_law(squared_NN, start_N, 3)
    rng = np.random.default_rng(0)
    drawn = Counter(tuple(kmeans_plusplus(points, 3, rng, start_N, max_block).tolist()) for _ in range(RUNS))
    expected = {sequence: RUNS * probability for sequence, probability in law.items()}
    common = [sequence for sequence, count in expected.items() if count >= 5]
    rare = RUNS - sum(expected[sequence] for sequence in common)
    rare_drawn = RUNS - sum(drawn[sequence] for sequence in common)
    statistic = sum((drawn[s] - expected[s]) ** 2 / expected[s] for s in common) + (rare_drawn - rare) ** 2 / rare
    assert chi2.sf(statistic, len(common)) > 1e-3


def test_the_test_above_would_notice_the_law_of_distances_that_are_not_squared() -> None:
    points, squared_NN = toy()
    right = exact_law(squared_NN, points.norms_N, 3)
    wrong = exact_law(squared_NN.sqrt(), points.norms_N.sqrt(), 3)
    statistic = sum(RUNS * (wrong[s] - right[s]) ** 2 / right[s] for s in right)
    assert chi2.sf(statistic, len(right)) < 1e-3


def test_a_point_without_distance_is_drawn_only_when_no_other_is_left() -> None:
    x_ND = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [5.0, 1.0], [0.0, 0.0]])
    points = Points([Factor(x_ND)], 2)
    for seed in range(50):
        picks = kmeans_plusplus(points, 5, np.random.default_rng(seed), uniform).tolist()
        assert sorted(picks) == [0, 1, 2, 3, 4]
        assert {tuple(x_ND[i].tolist()) for i in picks[:3]} == {(0.0, 0.0), (1.0, 0.0), (5.0, 1.0)}


def test_the_largest_norm_comes_first_and_of_several_the_lowest() -> None:
    points = Points([Factor(torch.tensor([[1.0], [-2.0], [2.0]]))], 2)
    assert largest_norm(points, np.random.default_rng(0)) == 1


def test_chunks_do_not_change_the_draws() -> None:
    x_ND = torch.randn(200, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    draws = [
        kmeans_plusplus(Points([Factor(x_ND)], chunk), 60, np.random.default_rng(1), uniform) for chunk in (7, 64, 500)
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    np.testing.assert_array_equal(draws[0], draws[2])


def test_scaling_the_points_changes_no_draw() -> None:
    x_ND = torch.randn(100, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    one, other = (
        kmeans_plusplus(Points([Factor(scale * x_ND)], 50), 30, np.random.default_rng(2), uniform) for scale in (1, 4)
    )
    np.testing.assert_array_equal(one, other)


def test_trials_reach_a_smaller_sum_of_distances_on_average() -> None:
    x_ND = torch.randn(300, 3, generator=torch.Generator().manual_seed(0))
    points = Points([Factor(x_ND)], 100)

    def potential(trials: int, seed: int) -> float:
        picks = kmeans_plusplus_with_trials(points, 15, np.random.default_rng(seed), uniform, trials)
        assert len(set(picks.tolist())) == 15
        return float(points.nearest(points.block(torch.from_numpy(picks))).sum())

    one, eight = (np.mean([potential(trials, seed) for seed in range(8)]) for trials in (1, 8))
    assert eight < one
