"""Equal shares of a budget for the classes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from calrun.acquisition.kernel.per_class import equal_shares, select_per_class


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(0, 200))
def test_shares_are_as_equal_as_the_sizes_allow(sizes: list[int], budget: int) -> None:
    shares = equal_shares(np.array(sizes), budget)
    assert shares.sum() == min(budget, sum(sizes))
    assert (shares <= sizes).all()
    unspent = shares[shares < sizes]
    if len(unspent):
        assert unspent.max() - unspent.min() <= 1
        assert shares.max() <= unspent.min() + 1


def test_each_class_is_chosen_from_its_own_members() -> None:
    oracle_N = np.array([1, 0, 1, 0, 2])
    picks = select_per_class(oracle_N, 3, lambda members, quota: np.arange(quota))
    assert picks.tolist() == [1, 0, 4]
