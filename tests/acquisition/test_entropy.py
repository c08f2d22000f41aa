import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from calrun.acquisition.base import Candidates
from calrun.acquisition.entropy import Entropy, log_entropy


def plain_entropy(logits_NC: Tensor) -> Tensor:
    p_NC = logits_NC.double().softmax(dim=1)
    return torch.special.entr(p_NC).sum(dim=1)


def test_uniform_logits_have_entropy_log_c() -> None:
    torch.testing.assert_close(log_entropy(torch.full((1, 7), 3.0)).exp(), torch.tensor([math.log(7)]))


@settings(deadline=None)
@given(st.integers(2, 12), st.floats(0.01, 12), st.integers(0, 2**31))
def test_it_is_minus_the_sum_of_p_log_p(num_classes: int, scale: float, seed: int) -> None:
    logits_NC = scale * torch.randn(20, num_classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    torch.testing.assert_close(log_entropy(logits_NC).exp(), plain_entropy(logits_NC), rtol=1e-9, atol=1e-15)


@settings(deadline=None)
@given(st.integers(2, 6), st.floats(-50, 50), st.integers(0, 2**31))
def test_it_ignores_a_shift_and_the_order_of_classes(num_classes: int, shift: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits_NC = 3 * torch.randn(9, num_classes, generator=generator, dtype=torch.float64)
    changed_NC = logits_NC[:, torch.randperm(num_classes, generator=generator)] + shift
    torch.testing.assert_close(log_entropy(changed_NC), log_entropy(logits_NC))


def test_logits_of_200_stay_finite_and_ordered() -> None:
    logits_NC = torch.tensor([[200.0, -200.0, 0.0], [200.0, -199.0, 1.0], [-200.0, 200.0, 199.0]])
    scores_N = log_entropy(logits_NC)
    assert scores_N.isfinite().all()
    assert scores_N[0] < scores_N[1] < scores_N[2]


def test_confident_rows_keep_apart_in_single_precision() -> None:
    logits_NC = torch.tensor([25.0, 0.0, 0.0]) + torch.linspace(0, 1, 1000)[:, None] * torch.tensor([1.0, 0.0, 0.0])
    assert log_entropy(logits_NC).unique().numel() > 900


def test_mc_dropout_scores_the_mean_probability() -> None:
    log_p_NKC = (3 * torch.randn(30, 5, 4, generator=torch.Generator().manual_seed(0))).log_softmax(dim=2)
    entropy = Entropy(mc_dropout=True, num_mc_samples=5, memory_gib=None)
    rows = entropy.select(Candidates(np.arange(30), {"mc_log_probs": log_p_NKC}), 30, np.random.default_rng(0))
    expected = torch.special.entr(log_p_NKC.double().exp().mean(dim=1)).sum(dim=1).argsort(descending=True)
    assert rows.tolist() == expected.tolist()


def test_mc_dropout_without_stochasticity_is_refused() -> None:
    log_p_NKC = torch.randn(30, 1, 4).log_softmax(dim=2).expand(30, 5, 4)
    entropy = Entropy(mc_dropout=True, num_mc_samples=5, memory_gib=None)
    with pytest.raises(ValueError, match="5 samples that agree exactly in all 30 rows"):
        entropy.select(Candidates(np.arange(30), {"mc_log_probs": log_p_NKC}), 3, np.random.default_rng(0))


def test_ties_are_taken_by_row_number() -> None:
    entropy = Entropy(mc_dropout=False, num_mc_samples=0, memory_gib=None)
    rows = np.random.default_rng(0).permutation(10_000)
    picked = entropy.select(Candidates(rows, {"logits": torch.zeros(10_000, 3)}), 5, np.random.default_rng(0))
    assert picked.tolist() == [0, 1, 2, 3, 4]
