"""Farthest-first traversal against its literal form."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from calrun.acquisition.kernel import farthest_first as module
from calrun.acquisition.kernel.factors import Factor, Points
from calrun.acquisition.kernel.farthest_first import farthest_first


def literal(x_ND: Tensor, centres_LD: Tensor, budget: int) -> list[int]:
    """The sequential algorithm on a full matrix, ties to the lowest index."""
    nearest_N = (x_ND[:, None] - centres_LD).square().sum(dim=2).amin(dim=1)
    picks: list[int] = []
    for _ in range(min(budget, len(x_ND))):
        nearest_N[picks] = -1
        picks.append(int(nearest_N.argmax()))
        nearest_N = torch.minimum(nearest_N, (x_ND - x_ND[picks[-1]]).square().sum(dim=1))
    return picks


def start(points: Points, centres_LD: Tensor) -> Tensor:
    other = Points([Factor(centres_LD)], 10)
    return points.nearest(other.block(slice(None)))


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 3), st.integers(1, 4), st.integers(0, 70), st.integers(0, 10**6))
def test_picks_are_those_of_the_sequential_algorithm_ties_included(
    number: int, dimension: int, spread: int, budget: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x_ND = torch.randint(0, spread + 1, (number, dimension), generator=generator).double()  # many ties and copies
    centres_LD = torch.randint(0, spread + 1, (2, dimension), generator=generator).double()
    points = Points([Factor(x_ND)], 7)
    before = module.FEWEST_LEADERS
    module.FEWEST_LEADERS = 3  # so that many refreshes happen
    try:
        picks = farthest_first(points, budget, np.random.default_rng(0), start(points, centres_LD))
    finally:
        module.FEWEST_LEADERS = before
    assert picks.tolist() == literal(x_ND, centres_LD, budget)


@pytest.mark.parametrize("leaders", [2, 16, 1024])
def test_the_number_of_leaders_changes_nothing(leaders: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEWEST_LEADERS", leaders)
    x_ND = torch.randn(400, 16, generator=torch.Generator().manual_seed(0))
    centres_LD = torch.randn(5, 16, generator=torch.Generator().manual_seed(1))
    points = Points([Factor(x_ND)], 64)
    picks = farthest_first(points, 120, np.random.default_rng(0), start(points, centres_LD))
    assert picks.tolist() == literal(x_ND.double(), centres_LD.double(), 120)


def test_distances_at_choice_never_grow() -> None:
    x_ND = torch.randn(200, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    picks = farthest_first(Points([Factor(x_ND)], 64), 50, np.random.default_rng(0), lambda points, rng: 0)
    apart = [torch.cdist(x_ND[picks[i : i + 1]], x_ND[picks[:i]]).min() for i in range(1, 50)]
    assert all(one >= other - 1e-12 for one, other in pairwise(apart))
