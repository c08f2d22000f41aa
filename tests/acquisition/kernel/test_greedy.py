"""Lazy greedy facility location against its naive form."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from calrun.acquisition.kernel.factors import Factor
from calrun.acquisition.kernel.greedy import facility_location
from calrun.acquisition.kernel.similarity import Kernel, Similarity

COSINE = Kernel("cosine_clip0", "l2", "median")


class Given(Similarity):
    """A similarity that is known."""

    def __init__(self, matrix_NR: Tensor) -> None:
        self.matrix_NR, self.chunk, self.x, self.device = matrix_NR, 5, Factor(matrix_NR), matrix_NR.device
        self.step = 5


def naive(matrix_NR: Tensor, budget: int) -> list[int]:
    best_R, picks = torch.zeros(matrix_NR.shape[1], dtype=matrix_NR.dtype), []
    for _ in range(min(budget, len(matrix_NR))):
        gains_N = (matrix_NR - best_R).clamp(min=0).sum(dim=1, dtype=torch.float64)
        gains_N[picks] = -1
        picks.append(int(gains_N.argmax()))
        best_R = torch.maximum(best_R, matrix_NR[picks[-1]])
    return picks


@settings(deadline=None)
@given(st.integers(1, 50), st.integers(1, 20), st.integers(1, 5), st.integers(0, 55), st.integers(0, 10**6))
def test_lazy_picks_are_the_naive_ones_ties_included(
    number: int, represented: int, levels: int, budget: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    matrix_NR = torch.randint(0, levels + 1, (number, represented), generator=generator).float()
    assert facility_location(Given(matrix_NR), budget).tolist() == naive(matrix_NR, budget)


def test_unlike_rows_are_taken_in_their_order() -> None:
    assert facility_location(Given(torch.eye(200)), 150).tolist() == list(range(150))


def test_greedy_is_within_its_bound_of_the_best_set() -> None:
    for seed in range(10):
        matrix_NR = torch.rand(9, 9, generator=torch.Generator().manual_seed(seed))
        value = float(matrix_NR[facility_location(Given(matrix_NR), 3)].amax(dim=0).sum())
        best = max(float(matrix_NR[list(s)].amax(dim=0).sum()) for s in itertools.combinations(range(9), 3))
        assert value >= (1 - 1 / np.e) * best


@pytest.mark.parametrize("memory_gib", [None, 5e-5])
def test_rows_made_when_needed_give_the_picks_of_the_stored_matrix(memory_gib: float | None) -> None:
    x_ND = torch.randn(200, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    similarity = Similarity(COSINE, x_ND, None, None, memory_gib)
    assert (similarity.matrix_NR is None) == (memory_gib is not None)
    unit_ND = x_ND / x_ND.norm(dim=1, keepdim=True)
    assert facility_location(similarity, 40).tolist() == naive((unit_ND @ unit_ND.T).clamp(min=0), 40)
