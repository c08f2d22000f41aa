"""Pooled BADGE: pooling the factors is pooling the gradient."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from calrun.acquisition.badge import Badge
from calrun.acquisition.badge_pooled import PooledBadge
from calrun.acquisition.base import Candidates
from calrun.acquisition.kernel.factors import distances
from calrun.acquisition.kernel.residual import residual


@pytest.mark.parametrize(("num_classes", "num_features"), [(10, 512), (37, 130), (16, 64), (100, 40), (2, 3)])
def test_distances_are_those_of_the_pooled_gradient(num_classes: int, num_features: int) -> None:
    generator = torch.Generator().manual_seed(0)
    logits_NC = torch.randn(6, num_classes, generator=generator, dtype=torch.float64)
    features_ND = torch.randn(6, num_features, generator=generator, dtype=torch.float64)
    height = min(16, num_classes)
    gradient_NCD = torch.einsum("nc,nd->ncd", residual(logits_NC), features_ND)
    pooled_NE = F.adaptive_avg_pool2d(gradient_NCD[:, None], (height, 512 // height)).flatten(1)
    points = PooledBadge(512, 16, "argmax_norm", True, None).embed(logits_NC, features_ND)
    every = points.block(slice(None))
    expected_NN = (pooled_NE[:, None] - pooled_NE).square().sum(dim=2)
    torch.testing.assert_close(distances(every, every), expected_NN, atol=1e-12, rtol=1e-9)


def test_cifar_keeps_510_numbers_and_imagenet_48_factors() -> None:
    acquisition = PooledBadge(512, 16, "argmax_norm", False, None)
    cifar = acquisition.embed(torch.randn(2, 10), torch.randn(2, 512))
    assert [factor.store_NF.shape[1] for factor in cifar.factors] == [10, 51]
    imagenet = acquisition.embed(torch.randn(2, 1000), torch.randn(2, 2048))
    assert [factor.store_NF.shape[1] for factor in imagenet.factors] == [16, 32]


def test_pooling_to_the_full_size_is_badge() -> None:
    generator = torch.Generator().manual_seed(0)
    names = ("logits", "labelled_logits"), ("features", "labelled_features")
    columns = {name: torch.randn(40, 5, generator=generator, dtype=torch.float64) for name in names[0]}
    columns |= {name: torch.randn(40, 8, generator=generator, dtype=torch.float64) for name in names[1]}
    candidates = Candidates(np.arange(40), columns)
    pooled = PooledBadge(40, 5, "argmax_norm", True, None).select(candidates, 12, np.random.default_rng(0))
    full = Badge("argmax_norm", True, False, "blocked", 1, None).select(candidates, 12, np.random.default_rng(0))
    np.testing.assert_array_equal(pooled, full)
