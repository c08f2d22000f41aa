"""The similarities of rows."""

import math

import numpy as np
import pytest
import torch

from calrun.acquisition.kernel.similarity import Kernel, Similarity

X_ND = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]], dtype=torch.float64)


def matrix(kernel: Kernel) -> torch.Tensor:
    found = Similarity(kernel, X_ND, None, None, None).matrix_NR
    assert found is not None
    return found


def test_clipped_cosine_counts_opposite_directions_as_unlike() -> None:
    torch.testing.assert_close(matrix(Kernel("cosine_clip0", "none", 1.0)), torch.eye(3, dtype=torch.float64))


def test_rescaled_cosine_is_half_for_a_right_angle() -> None:
    expected = torch.tensor([[1, 0.5, 0], [0.5, 1, 0.5], [0, 0.5, 1]], dtype=torch.float64)
    torch.testing.assert_close(matrix(Kernel("cosine_rescaled", "none", 1.0)), expected)


def test_rbf_is_that_of_das_et_al() -> None:
    assert float(matrix(Kernel("rbf", "none", 2.0))[0, 1]) == pytest.approx(math.exp(-13 / (2 * 4)))


def test_median_sigma_is_the_median_distance() -> None:
    distances = sorted([math.sqrt(13), 3.0, math.sqrt(10)])
    assert float(matrix(Kernel("rbf", "none", "median"))[0, 2]) == pytest.approx(math.exp(-9 / (2 * distances[1] ** 2)))


def test_exp_distance_divides_by_the_number_of_features() -> None:
    assert float(matrix(Kernel("exp_distance", "none", 1.0))[0, 1]) == pytest.approx(math.exp(-math.sqrt(13) / 2))


def test_a_narrow_rbf_on_raw_features_makes_all_rows_unlike() -> None:
    x_ND = torch.randn(20, 512, generator=torch.Generator().manual_seed(0))
    raw = Similarity(Kernel("rbf", "none", 0.1), x_ND, None, None, None).totals()
    torch.testing.assert_close(raw, torch.ones(20, dtype=torch.float64))
    assert float(Similarity(Kernel("rbf", "l2", "median"), x_ND, None, None, None).totals().mean()) > 5


def test_rows_of_different_groups_are_not_alike() -> None:
    similarity = Similarity(Kernel("rbf", "none", 10.0), X_ND, None, torch.tensor([0, 1, 0]), None)
    assert similarity.rows(torch.tensor([0]))[0, 1] == 0
    assert similarity.rows(torch.tensor([0]))[0, 2] > 0


def test_represented_rows_keep_their_groups() -> None:
    similarity = Similarity(Kernel("rbf", "none", 10.0), X_ND, np.array([1, 2]), torch.tensor([0, 1, 0]), None)
    alike = [[False, True], [True, False], [False, True]]
    assert (similarity.rows(torch.arange(3)) > 0).tolist() == alike


def test_a_subset_can_stand_for_all() -> None:
    similarity = Similarity(Kernel("cosine_rescaled", "none", 1.0), X_ND, np.array([1]), None, None)
    torch.testing.assert_close(
        similarity.rows(torch.arange(3)), torch.tensor([[0.5], [1.0], [0.5]], dtype=torch.float64)
    )


def test_too_many_pairs_are_refused_with_the_approximation_to_take() -> None:
    x_ND = torch.zeros(1, 1).expand(300_000, 1)
    with pytest.raises(ValueError, match=r"300000 rows with 300000, 9e\+10 pairs .* set acquisition.represented"):
        Similarity(Kernel("cosine_clip0", "l2", 1.0), x_ND, None, None, None)
