"""Distances between products of factors, without the products."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calrun.acquisition.kernel.factors import (
    Factor,
    Points,
    distances,
    full_precision,
    in_memory,
    refuse_not_finite,
    rough_mean,
)

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 6), st.integers(1, 6))


@settings(deadline=None)
@given(SIZES, st.integers(0, 1000), st.integers(1, 13))
def test_two_factors_give_the_distances_of_their_kronecker_products(
    sizes: tuple[int, int, int], seed: int, chunk: int
) -> None:
    num_rows, num_classes, num_features = sizes
    generator = torch.Generator().manual_seed(seed)
    g_NC = torch.randn(num_rows, num_classes, generator=generator, dtype=torch.float64)
    h_ND = torch.randn(num_rows, num_features, generator=generator, dtype=torch.float64)
    product_NE = torch.einsum("nc,nd->ncd", g_NC, h_ND).flatten(1)
    points = Points([Factor(g_NC), Factor(h_ND)], chunk)
    every = points.block(slice(None))
    expected_NN = (product_NE[:, None] - product_NE).square().sum(dim=2)
    torch.testing.assert_close(distances(every, every), expected_NN, atol=1e-12, rtol=1e-9)
    torch.testing.assert_close(points.norms_N, product_NE.square().sum(dim=1))
    centres = torch.tensor([0, num_rows - 1])
    torch.testing.assert_close(
        points.nearest(points.block(centres)), expected_NN[:, centres].amin(dim=1), atol=1e-12, rtol=1e-9
    )


def test_no_centre_is_infinitely_far() -> None:
    points = Points([Factor(torch.ones(3, 2))], 2)
    assert points.nearest(points.block(slice(0, 0))).isinf().all()


def test_half_precision_is_converted_block_by_block() -> None:
    store_ND = torch.randn(7, 5, generator=torch.Generator().manual_seed(0)).half()
    points = Points([Factor(store_ND)], 3)
    assert points.norms_N.dtype == torch.float32
    torch.testing.assert_close(points.norms_N, store_ND.float().square().sum(dim=1))


def test_copies_are_at_distance_zero_exactly() -> None:
    x_ND = torch.randn(64, 512, generator=torch.Generator().manual_seed(0)).repeat(3, 1)
    points = Points([Factor(x_ND)], 50)
    assert (points.nearest(points.block(torch.arange(64))) == 0).all()


def test_centring_saves_the_digits_of_a_narrow_cloud_far_from_zero() -> None:
    generator = torch.Generator().manual_seed(0)
    x_ND = (10 + 1e-3 * torch.randn(50, 2048, generator=generator, dtype=torch.float64)).float()
    exact_NN = torch.cdist(x_ND.double(), x_ND.double(), compute_mode="donot_use_mm_for_euclid_dist").square()
    centre_D = rough_mean(Factor(x_ND))
    every = Points([Factor(x_ND, lambda x_BD: x_BD - centre_D)], 50).block(slice(None))
    torch.testing.assert_close(distances(every, every).double(), exact_NN, atol=1e-6, rtol=1e-3)


def test_whole_numbers_stay_exact_when_centred() -> None:
    x_ND = torch.randint(0, 100, (60, 3), generator=torch.Generator().manual_seed(0)).float()
    centre_D = rough_mean(Factor(x_ND))
    assert ((x_ND - centre_D).double() == x_ND.double() - centre_D.double()).all()
    torch.testing.assert_close(centre_D, x_ND.mean(dim=0), rtol=1e-3, atol=0)


def test_a_transform_is_applied_once_where_it_fits_and_in_each_pass_where_not() -> None:
    factor = Factor(torch.arange(6.0).view(3, 2), lambda x_BD: x_BD + 1)
    assert in_memory(factor, 1.0).transform is None
    assert in_memory(factor, 1e-9) is factor
    torch.testing.assert_close(in_memory(factor, 1.0)[slice(None)], factor[slice(None)])


def test_a_broken_row_is_named() -> None:
    norms_N = torch.tensor([1.0, torch.nan, 2.0])
    with pytest.raises(ValueError, match=r"features of 1 of 3 rows are not finite \(first: \[8\]\)"):
        refuse_not_finite(norms_N, np.array([7, 8, 9]), "features")


def test_reduced_precision_is_switched_off_and_restored() -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    with full_precision():
        assert torch.get_float32_matmul_precision() == "highest"
    assert torch.get_float32_matmul_precision() == "high"
    torch.set_float32_matmul_precision(before)
