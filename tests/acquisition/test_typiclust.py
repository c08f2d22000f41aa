"""TypiClust: one typical row of each large cluster without labels."""

import numpy as np
import pytest
import torch
from torch import Tensor

from calrun.acquisition.base import Candidates
from calrun.acquisition.kernel.factors import Factor, Points
from calrun.acquisition.kernel.lloyd import Effort
from calrun.acquisition.typiclust import Neighbourhood, TypiClust, most_typical, visit_order


def literal(x_MD: Tensor, number: int, num_neighbours: int, squared: bool) -> list[int]:
    """The authors' typicality, 1 / (mean distance + 1e-5), with chosen rows removed."""
    left, picks = list(range(len(x_MD))), []
    for _ in range(number):
        apart = torch.cdist(x_MD[left], x_MD[left], compute_mode="donot_use_mm_for_euclid_dist")
        apart = apart.square() if squared else apart
        k = min(num_neighbours, len(left) // 2)
        mean = apart.sort(dim=1).values[:, 1 : k + 1].sum(dim=1) / max(k, 1)
        picks.append(left.pop(int((1 / (mean + 1e-5)).argmax())))
    return picks


@pytest.mark.parametrize("memory_gib", [None, 3e-5])  # the small one needs several lists of neighbours
@pytest.mark.parametrize("squared", [True, False])
def test_typical_rows_are_those_of_the_literal_formula(squared: bool, memory_gib: float | None) -> None:
    x_MD = torch.randn(60, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = most_typical(Points([Factor(x_MD)], 16), np.arange(60), 60, Neighbourhood(20, squared, memory_gib))
    assert found.tolist() == literal(x_MD, 60, 20, squared)


def test_a_row_with_copies_is_the_most_typical() -> None:
    x_MD = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
    x_MD[[4, 6, 9]] = x_MD[4].clone()
    found = most_typical(Points([Factor(x_MD)], 5), np.arange(12), 1, Neighbourhood(2, True, None))
    assert found.tolist() == [4]


def test_clusters_take_turns_few_labels_and_many_rows_first_and_small_ones_last() -> None:
    free_K, labelled_K = np.array([3, 8, 1, 7, 2]), np.array([4, 0, 0, 1, 0])
    turns = list(visit_order(free_K, labelled_K, min_size=2))
    assert turns[:6] == [1, 3, 0, 1, 3, 0]
    assert np.bincount(turns).tolist() == free_K.tolist()
    assert turns[-3:] == [4, 2, 4]


def test_a_cluster_with_a_label_is_served_last() -> None:
    generator = torch.Generator().manual_seed(0)
    blobs_ND = 10 * torch.eye(4).repeat_interleave(10, dim=0) + torch.rand(40, 4, generator=generator)
    columns = {"features": blobs_ND, "labelled_features": blobs_ND[10:11]}
    acquisition = TypiClust(20, 500, 5, True, Effort(50, 1e-4), None)
    rows = acquisition.select(Candidates(np.arange(40), columns), 3, np.random.default_rng(1))
    assert sorted((rows // 10).tolist()) == [0, 2, 3]
