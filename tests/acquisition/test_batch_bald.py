import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from calrun.acquisition.bald import disagreement
from calrun.acquisition.base import Candidates
from calrun.acquisition.batch_bald import BatchBald, Outcomes
from calrun.rng import torch_rng


def random_log_probs(
    seed: int, num_rows: int, num_samples: int, num_classes: int, dtype: Any = torch.float64
) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(num_rows, num_samples, num_classes, generator=generator, dtype=dtype)).log_softmax(2)


def outcomes_of(log_p_NKC: Tensor, num_samples: int, seed: int = 0) -> Outcomes:
    return Outcomes(log_p_NKC, num_samples, torch.Generator().manual_seed(seed), 2**30)


def picks(log_p_NKC: Tensor, budget: int, num_samples: int = 10_000, seed: int = 0, **options: Any) -> list[int]:
    settings_ = {"prefilter": None, "lazy": True, "memory_gib": None, **options}
    batch_bald = BatchBald(num_mc_samples=log_p_NKC.shape[1], num_samples=num_samples, **settings_)
    candidates = Candidates(np.arange(len(log_p_NKC)), {"mc_log_probs": log_p_NKC})
    return batch_bald.select(candidates, budget, np.random.default_rng(seed)).tolist()


def score_by_enumeration(log_p_NKC: Tensor, batch: list[int]) -> float:
    """a(S) from all C^n joint outcomes, as Eq. 8 stands in the paper."""
    p_NKC = log_p_NKC.exp().numpy()
    joint = 0.0
    for classes in itertools.product(range(p_NKC.shape[2]), repeat=len(batch)):
        p = np.prod([p_NKC[i, :, c] for i, c in zip(batch, classes, strict=True)], axis=0).mean()
        joint -= p * math.log(p)
    given_w = -(p_NKC[batch] * np.log(p_NKC[batch])).sum(axis=2).mean(axis=1).sum()
    return joint - given_w


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.integers(2, 5), st.integers(2, 3))
def test_picks_are_those_of_greedy_search_over_all_joint_outcomes(seed: int, num_mc: int, num_classes: int) -> None:
    log_p_NKC = random_log_probs(seed, 7, num_mc, num_classes)
    batch: list[int] = []
    for _ in range(4):
        left = [i for i in range(7) if i not in batch]
        batch.append(max(left, key=lambda i: score_by_enumeration(log_p_NKC, [*batch, i])))
    assert picks(log_p_NKC, 4) == batch


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.integers(2, 6))
def test_the_batch_tells_at_most_log_k_and_at_most_its_rows_alone(seed: int, num_mc: int) -> None:
    log_p_NKC = random_log_probs(seed, 9, num_mc, 3)
    batch = picks(log_p_NKC, 5)
    outcomes, gains = outcomes_of(log_p_NKC, 10_000), []
    for position in batch:
        gains.append(outcomes.gains(np.array([position]), outcomes.tiles).item())
        outcomes.add(position)
    np.testing.assert_allclose(sum(gains), score_by_enumeration(log_p_NKC, batch), rtol=1e-9)
    assert sum(gains) <= min(math.log(num_mc), disagreement(log_p_NKC)[batch].sum().item()) + 1e-9
    assert (np.diff(gains) <= 1e-9).all()


def test_the_first_pick_is_that_of_bald() -> None:
    log_p_NKC = random_log_probs(0, 50, 6, 4)
    assert picks(log_p_NKC, 1) == [disagreement(log_p_NKC).argmax().item()]


def test_a_duplicate_of_a_picked_row_tells_less_than_it_would_alone() -> None:
    log_p_NKC = random_log_probs(0, 10, 6, 4)
    log_p_NKC[1] = log_p_NKC[0]
    outcomes = outcomes_of(log_p_NKC, 10_000)
    outcomes.add(0)
    assert outcomes.gains(np.array([1]), outcomes.tiles).item() < 0.9 * disagreement(log_p_NKC)[1].item()


def test_sampled_outcomes_estimate_the_enumerated_gain() -> None:
    log_p_NKC = random_log_probs(3, 12, 8, 3)
    left = np.arange(8, 12)

    def gains(num_samples: int, seed: int) -> np.ndarray:
        outcomes = outcomes_of(log_p_NKC, num_samples, seed)
        for position in range(8):  # 3^8 = 6,561 outcomes
            outcomes.add(position)
        assert outcomes.sampled == (num_samples < 3**8)
        return outcomes.gains(left, outcomes.tiles)

    estimates = np.stack([gains(400, seed) for seed in range(40)])
    error_of_mean = estimates.std(axis=0) / 40**0.5
    assert (abs(estimates.mean(axis=0) - gains(10**4, 0)) < 4 * error_of_mean).all()
    assert (error_of_mean < 0.01).all()


@settings(deadline=None, max_examples=9)
@given(st.integers(0, 2**31))
def test_lazy_picks_are_those_of_the_exhaustive_search(seed: int) -> None:
    log_p_NKC = random_log_probs(seed, 200, 20, 4, dtype=torch.float32)
    assert 4**5 <= 3000  # the outcomes of 5 rows are all there, so that a stale gain is a bound
    assert picks(log_p_NKC, 6, 3000, lazy=True) == picks(log_p_NKC, 6, 3000, lazy=False)


@pytest.mark.parametrize("seed", range(6))
def test_lazy_picks_are_those_of_the_exhaustive_search_on_sampled_outcomes_too(seed: int) -> None:
    log_p_NKC = random_log_probs(seed, 200, 20, 4, dtype=torch.float32)
    assert picks(log_p_NKC, 9, 3000, lazy=True) == picks(log_p_NKC, 9, 3000, lazy=False)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31), st.sampled_from([50, 10_000]))
def test_merged_outcomes_bound_the_gain_from_above(seed: int, num_samples: int) -> None:
    log_p_NKC = random_log_probs(seed, 40, 10, 4)
    outcomes, everything = outcomes_of(log_p_NKC, num_samples), np.arange(40)
    for position in range(5):
        outcomes.add(position)
        gain_N, bound_N = (outcomes.gains(everything, tiles) for tiles in (outcomes.tiles, outcomes.merged))
        assert (bound_N >= gain_N - 1e-12).all()
    assert len(outcomes.merged[0][1]) < sum(len(weight_T) for _, weight_T in outcomes.tiles)


def test_hundred_picks_do_not_underflow() -> None:
    log_p_NKC = random_log_probs(0, 120, 10, 4, dtype=torch.float32)
    assert len(set(picks(log_p_NKC, 100, num_samples=50))) == 100


def test_no_product_of_two_probabilities_is_denormal() -> None:
    log_p_NKC = (2 * random_log_probs(0, 40, 50, 4, dtype=torch.float32)).log_softmax(2)
    outcomes = outcomes_of(log_p_NKC, 200)
    for position in range(30):
        outcomes.add(position)
    looked_at = [part for tiles in (outcomes.tiles, outcomes.merged) for tile in tiles for part in tile]
    least = min(float(part[part > 0].min()) for part in looked_at)
    assert least**2 >= torch.finfo(torch.float32).tiny * (1 - 1e-6)
    assert any((part == 0).any() for part in looked_at)


def test_the_prefilter_keeps_the_rows_with_the_highest_bald_score() -> None:
    log_p_NKC = random_log_probs(0, 60, 6, 4)
    best = set(disagreement(log_p_NKC).argsort(descending=True)[:9].tolist())
    assert set(picks(log_p_NKC, 5, prefilter=9)) <= best
    assert set(picks(log_p_NKC, 9, prefilter=3)) == best  # never less than the budget


def test_what_cannot_finish_is_refused_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calrun.acquisition.batch_bald.MAX_FLOP", 1e6)
    with pytest.raises(ValueError, match=r"2\.4e\+07 FLOP for 5 of 10 rows.*prefilter"):
        picks(random_log_probs(0, 10, 6, 4), 5)


def test_a_batch_too_large_for_the_samples_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    picks(random_log_probs(0, 40, 4, 4), 10)
    assert "log K = 1.386 with K = 4 samples" in capsys.readouterr().err


def test_fewer_outcomes_than_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="num_samples is 10, wanted at least one for each of 20"):
        BatchBald(num_mc_samples=20, num_samples=10, prefilter=None, lazy=True, memory_gib=None)


def literal_with_samples(log_p_NKC: Tensor, budget: int, num_samples: int, generator: torch.Generator) -> list[int]:
    """Kirsch et al. 2019, Eq. 12 and 13, loop by loop: outcomes of the batch are drawn once there are too many."""
    p_NKC = log_p_NKC.exp().numpy()
    num_rows, num_mc, num_classes = p_NKC.shape
    batch: list[int] = []
    drawn: list[np.ndarray] = []  # the class that each picked row has in each sample
    for _ in range(budget):
        left = [i for i in range(num_rows) if i not in batch]
        if num_classes ** len(batch) <= num_samples:
            batch.append(max(left, key=lambda i: score_by_enumeration(log_p_NKC, [*batch, i])))
            continue
        for i in batch[len(drawn) :]:
            uniform_M = torch.rand(num_samples, generator=generator, dtype=torch.float64).numpy()
            of_w = [m // (num_samples // num_mc) for m in range(num_samples)]  # as many from each w
            drawn.append(
                np.array([np.searchsorted(p_NKC[i, k].cumsum(), u) for k, u in zip(of_w, uniform_M, strict=True)])
            )

        def gain(i: int) -> float:
            entropy = 0.0
            for m in range(num_samples):
                likelihood_K = np.prod([p_NKC[s, :, c[m]] for s, c in zip(batch, drawn, strict=True)], axis=0)
                p_C = (likelihood_K / likelihood_K.sum()) @ p_NKC[i]
                entropy -= (p_C * np.log(p_C)).sum() / num_samples
            return entropy + (p_NKC[i] * np.log(p_NKC[i])).sum() / num_mc

        batch.append(max(left, key=gain))
    return batch


@pytest.mark.parametrize("seed", range(4))
def test_picks_are_those_of_greedy_search_over_drawn_outcomes(seed: int) -> None:
    log_p_NKC = random_log_probs(seed, 12, 4, 3)
    expected = literal_with_samples(log_p_NKC, 6, 12, torch_rng(np.random.default_rng(seed)))
    assert picks(log_p_NKC, 6, num_samples=12, seed=seed, lazy=False) == expected
