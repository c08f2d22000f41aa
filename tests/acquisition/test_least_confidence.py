import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calrun.acquisition.base import Candidates
from calrun.acquisition.entropy import log_entropy
from calrun.acquisition.least_confidence import LeastConfidence, log_error_probability
from calrun.acquisition.margin import log_margin_complement


@settings(deadline=None)
@given(st.integers(2, 12), st.floats(0.01, 12), st.integers(0, 2**31))
def test_it_is_one_minus_the_largest_probability(num_classes: int, scale: float, seed: int) -> None:
    logits_NC = scale * torch.randn(20, num_classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    others_N = logits_NC.softmax(dim=1).sort(dim=1).values[:, :-1].sum(dim=1)
    torch.testing.assert_close(log_error_probability(logits_NC).exp(), others_N, rtol=1e-9, atol=0)


def test_confident_rows_keep_apart_in_single_precision() -> None:
    logits_NC = torch.randn(20_000, 10, generator=torch.Generator().manual_seed(0))
    logits_NC[:, 0] += 25
    assert logits_NC.softmax(dim=1).amax(dim=1).unique().numel() < 10
    assert log_error_probability(logits_NC).unique().numel() > 15_000


def test_logits_of_200_stay_finite() -> None:
    logits_NC = torch.tensor([[200.0, -200.0], [-200.0, 200.0], [200.0, 200.0]])
    torch.testing.assert_close(log_error_probability(logits_NC), torch.tensor([-400.0, -400.0, -math.log(2)]))


def test_with_two_classes_all_uncertainties_rank_alike() -> None:
    logits_NC = 4 * torch.randn(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    order = log_error_probability(logits_NC).argsort(descending=True)
    assert torch.equal(order, log_entropy(logits_NC).argsort(descending=True))
    assert torch.equal(order, log_margin_complement(logits_NC).argsort())


def test_logit_space_compares_top_logits() -> None:
    logits_NC = torch.tensor([[5.0, 4.9], [1.0, -9.0], [3.0, 3.0]])
    least = LeastConfidence(space="logit", mc_dropout=False, num_mc_samples=0, memory_gib=None)
    rows = least.select(Candidates(np.array([7, 8, 9]), {"logits": logits_NC}), 3, np.random.default_rng(0))
    assert rows.tolist() == [8, 9, 7]


def test_logit_space_with_mc_dropout_is_refused() -> None:
    with pytest.raises(ValueError, match="space=logit"):
        LeastConfidence(space="logit", mc_dropout=True, num_mc_samples=10, memory_gib=None)


def test_an_unknown_space_is_refused() -> None:
    with pytest.raises(ValueError, match="wants prob or logit, got 'odds'"):
        LeastConfidence(space="odds", mc_dropout=False, num_mc_samples=10, memory_gib=None)
