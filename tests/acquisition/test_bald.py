import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from calrun.acquisition.bald import Bald, disagreement, mutual_information
from calrun.acquisition.base import Candidates


def random_log_probs(seed: int, num_samples: int, num_classes: int, scale: float = 2.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(20, num_samples, num_classes, generator=generator, dtype=torch.float64)).log_softmax(2)


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 8), st.integers(2, 6), st.floats(0.1, 20))
def test_it_is_the_entropy_of_the_mean_minus_the_mean_entropy(
    seed: int, num_samples: int, num_classes: int, scale: float
) -> None:
    log_p_NKC = random_log_probs(seed, num_samples, num_classes, scale)
    p_NKC = log_p_NKC.exp()
    entropy_N = torch.special.entr(p_NKC.mean(dim=1)).sum(dim=1)
    score_N = disagreement(log_p_NKC)
    torch.testing.assert_close(
        score_N, entropy_N - torch.special.entr(p_NKC).sum(dim=2).mean(dim=1), rtol=1e-7, atol=1e-12
    )
    assert (score_N > -1e-12).all()
    assert (score_N < min(math.log(num_samples), math.log(num_classes)) + 1e-9).all()
    assert (score_N < entropy_N + 1e-9).all()


def test_samples_that_agree_score_zero() -> None:
    torch.testing.assert_close(disagreement(random_log_probs(0, 1, 5).expand(20, 4, 5)), torch.zeros(20).double())


def test_samples_certain_of_distinct_classes_score_log_k() -> None:
    log_p_1KC = (100 * torch.eye(5)[:3]).log_softmax(dim=1)[None]
    torch.testing.assert_close(disagreement(log_p_1KC), torch.tensor([math.log(3)]))


def test_the_order_of_samples_does_not_matter() -> None:
    log_p_NKC = random_log_probs(0, 6, 4)
    torch.testing.assert_close(disagreement(log_p_NKC.flip(1)), disagreement(log_p_NKC))


def test_small_disagreements_keep_their_order_in_single_precision() -> None:
    shift_N = torch.linspace(1e-3, 2e-3, 50)
    logits_NKC = torch.stack([torch.stack([shift_N, -shift_N], dim=1), torch.stack([-shift_N, shift_N], dim=1)], dim=1)
    assert (disagreement(logits_NKC.log_softmax(dim=2)).diff() > 0).float().mean() > 0.9


def test_chunks_do_not_change_the_score(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calrun.acquisition.kernel.memory.LEAST_ROWS", 1)
    log_p_NKC = random_log_probs(0, 6, 4)
    assert torch.equal(mutual_information(log_p_NKC, memory_gib=1e-6), mutual_information(log_p_NKC, memory_gib=None))


def test_a_network_without_dropout_is_refused() -> None:
    candidates = Candidates(np.arange(20), {"mc_log_probs": random_log_probs(0, 1, 5).expand(20, 4, 5)})
    with pytest.raises(ValueError, match="4 samples that agree exactly"):
        Bald(num_mc_samples=4, memory_gib=None).select(candidates, 3, np.random.default_rng(0))
