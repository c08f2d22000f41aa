"""k-center greedy on penultimate features."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from calrun.acquisition.base import Candidates
from calrun.acquisition.coreset import KCenterGreedy


def cloud(number: int, seed: int, dimension: int = 5) -> Tensor:
    return torch.randn(number, dimension, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def chosen(x_ND: Tensor, labelled_LD: Tensor, budget: int, empty_init: str = "random", seed: int = 0) -> list[int]:
    candidates = Candidates(np.arange(len(x_ND)), {"features": x_ND, "labelled_features": labelled_LD})
    acquisition = KCenterGreedy(empty_init, None)  # type: ignore[arg-type]
    return acquisition.select(candidates, budget, np.random.default_rng(seed)).tolist()


def literal(x_ND: Tensor, centres_LD: Tensor, budget: int) -> list[int]:
    """Alg. 1 on a matrix of all distances."""
    picks: list[int] = []
    for _ in range(budget):
        everyone = torch.cat([centres_LD, x_ND[picks]])
        nearest_N = torch.cdist(x_ND, everyone, compute_mode="donot_use_mm_for_euclid_dist").amin(dim=1)
        nearest_N[picks] = -1
        picks.append(int(nearest_N.argmax()))
    return picks


@pytest.mark.parametrize("seed", range(5))
def test_picks_are_those_of_the_full_matrix(seed: int) -> None:
    x_ND, labelled_LD = cloud(80, seed), cloud(10, seed + 100)
    assert chosen(x_ND, labelled_LD, 30) == literal(x_ND, labelled_LD, 30)


def test_radius_is_within_twice_the_best() -> None:
    for seed in range(10):
        x_ND = cloud(12, seed, dimension=2)
        apart_NN = torch.cdist(x_ND, x_ND)
        best = min(float(apart_NN[:, list(s)].amin(dim=1).max()) for s in itertools.combinations(range(12), 3))
        picks = chosen(x_ND, x_ND[:0], 3, seed=seed)
        assert float(apart_NN[:, picks].amin(dim=1).max()) <= 2 * best + 1e-9


def test_a_copy_of_a_labelled_row_waits_until_only_copies_are_left() -> None:
    x_ND = cloud(10, 0)
    x_ND[3] = x_ND[7]
    picks = chosen(x_ND, x_ND[7:8], 10)
    assert picks[-2:] == [3, 7]


def test_moving_and_turning_the_features_changes_nothing() -> None:
    x_ND, labelled_LD = cloud(60, 1), cloud(4, 2)
    turn_DD = torch.linalg.qr(cloud(5, 3)).Q
    expected = chosen(x_ND, labelled_LD, 20)
    assert chosen(x_ND @ turn_DD + 50, labelled_LD @ turn_DD + 50, 20) == expected


def test_half_precision_features_are_taken_as_they_are() -> None:
    x_ND, labelled_LD = cloud(60, 1).half(), cloud(4, 2).half()
    assert chosen(x_ND, labelled_LD, 20) == literal(x_ND.double(), labelled_LD.double(), 20)


def test_without_labels_the_named_rule_gives_the_first_row() -> None:
    x_ND = torch.tensor([[0.0], [1.0], [2.0], [10.0], [4.9]])
    assert chosen(x_ND, x_ND[:0], 1, "first") == [0]
    assert chosen(x_ND, x_ND[:0], 1, "medoid1center") == [4]
    assert {chosen(x_ND, x_ND[:0], 1, "random", seed)[0] for seed in range(40)} == set(range(5))
