import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from calrun.acquisition.balanced_random import BalancedRandom, class_quotas
from calrun.acquisition.base import Candidates


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=8), st.integers(0, 100))
def test_quotas_are_level_among_classes_that_last(available: list[int], budget: int) -> None:
    available_C = np.array(available)
    quota_C = class_quotas(available_C, budget)
    assert quota_C.sum() == min(budget, available_C.sum())
    assert (quota_C <= available_C).all()
    open_C = quota_C[quota_C < available_C]
    assert len(open_C) == 0 or (open_C.max() - open_C.min() <= 1 and quota_C.max() - open_C.min() <= 1)


def test_what_is_left_over_goes_to_the_largest_classes() -> None:
    assert class_quotas(np.array([1, 5, 9, 7]), 12).tolist() == [1, 3, 4, 4]


def test_equal_classes_get_equal_shares_at_every_prefix() -> None:
    oracle_N = torch.arange(60) % 4
    candidates = Candidates(np.arange(60), {"oracle": oracle_N})
    rows = BalancedRandom().select(candidates, 20, np.random.default_rng(0))
    for end in range(4, 21, 4):
        assert oracle_N[rows[:end]].bincount().tolist() == [end // 4] * 4


def test_rows_of_a_class_are_drawn_equally_often() -> None:
    candidates = Candidates(np.arange(12), {"oracle": torch.arange(12) // 6})
    drawn = [BalancedRandom().select(candidates, 4, np.random.default_rng(seed)) for seed in range(1500)]
    assert chisquare(np.bincount(np.concatenate(drawn), minlength=12)).pvalue > 1e-4


def test_a_class_with_one_row_gives_that_row() -> None:
    candidates = Candidates(np.arange(10), {"oracle": torch.tensor([0, 0, 0, 0, 2, 3, 3, 3, 3, 3])})
    rows = BalancedRandom().select(candidates, 6, np.random.default_rng(0))
    assert 4 in rows.tolist()


def test_it_says_that_it_reads_the_oracle() -> None:
    assert BalancedRandom.needs == {"oracle"}
