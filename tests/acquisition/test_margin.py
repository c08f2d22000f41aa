import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calrun.acquisition.base import Candidates
from calrun.acquisition.margin import Margin, log_margin_complement


@settings(deadline=None)
@given(st.integers(2, 12), st.floats(0.01, 8), st.integers(0, 2**31))
def test_it_is_the_difference_of_the_two_largest_probabilities(num_classes: int, scale: float, seed: int) -> None:
    logits_NC = scale * torch.randn(20, num_classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    top_N2 = logits_NC.softmax(dim=1).topk(2, dim=1).values
    margin_N = -torch.expm1(-log_margin_complement(logits_NC))
    torch.testing.assert_close(margin_N, top_N2[:, 0] - top_N2[:, 1], rtol=1e-9, atol=1e-14)


def test_equal_top_logits_have_margin_zero() -> None:
    assert log_margin_complement(torch.tensor([[2.0, 2.0, -1.0]])).item() == 0


def test_confident_rows_keep_apart_in_single_precision() -> None:
    logits_NC = torch.randn(20_000, 10, generator=torch.Generator().manual_seed(0))
    logits_NC[:, 0] += 35
    assert log_margin_complement(logits_NC).unique().numel() > 15_000


def test_the_score_grows_with_the_gap_across_its_two_branches() -> None:
    gap_N = torch.linspace(0, 399, 4000)
    scores_N = log_margin_complement(torch.stack([gap_N, torch.zeros_like(gap_N), torch.zeros_like(gap_N)], dim=1))
    assert (scores_N.diff() > 0).all()


def test_logit_space_compares_logits() -> None:
    logits_NC = torch.tensor([[9.0, 7.0, 6.9], [1.0, -0.5, -9.0]])  # gaps 2 and 1.5, margins 0.64 and 0.63
    margins = [Margin(space, mc_dropout=False, num_mc_samples=0, memory_gib=None) for space in ("prob", "logit")]
    candidates = Candidates(np.arange(2), {"logits": logits_NC + torch.tensor([0.0, 0.0, 0.0])})
    rows = [margin.select(candidates, 1, np.random.default_rng(0)).item() for margin in margins]
    p_N2 = logits_NC.softmax(dim=1).topk(2, dim=1).values
    assert rows == [(p_N2[:, 0] - p_N2[:, 1]).argmin().item(), 1]


def test_mc_dropout_scores_the_mean_probability() -> None:
    log_p_NKC = (3 * torch.randn(30, 5, 4, generator=torch.Generator().manual_seed(0))).log_softmax(dim=2)
    margin = Margin("prob", mc_dropout=True, num_mc_samples=5, memory_gib=None)
    rows = margin.select(Candidates(np.arange(30), {"mc_log_probs": log_p_NKC}), 30, np.random.default_rng(0))
    top_N2 = log_p_NKC.double().exp().mean(dim=1).topk(2, dim=1).values
    assert rows.tolist() == (top_N2[:, 0] - top_N2[:, 1]).argsort().tolist()
