"""Dispersion-min: the smallest distance within the set is large."""

import itertools

import numpy as np
import pytest
import torch

from calrun.acquisition.base import Candidates
from calrun.acquisition.dispersion_min import DispersionMin

X_ND = torch.randn(12, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def chosen(budget: int, start: str, normalize: bool = False, class_conditional: bool = False) -> list[int]:
    candidates = Candidates(np.arange(12), {"features": X_ND, "oracle": torch.arange(12) % 3})
    acquisition = DispersionMin(start, normalize, class_conditional, None)  # type: ignore[arg-type]
    return acquisition.select(candidates, budget, np.random.default_rng(0)).tolist()


def dispersion(picks: list[int]) -> float:
    return float(torch.pdist(X_ND[picks]).min())


@pytest.mark.parametrize("start", ["farthest_pair", "medoid", "random", "first"])
def test_dispersion_is_at_least_half_of_the_best(start: str) -> None:
    for budget in (2, 3, 4, 5):
        best = max(dispersion(list(subset)) for subset in itertools.combinations(range(12), budget))
        assert dispersion(chosen(budget, start)) >= best / 2


def test_the_start_is_honoured() -> None:
    apart_NN = torch.cdist(X_ND, X_ND)
    assert chosen(4, "first")[0] == 0
    assert chosen(4, "medoid")[0] == int(apart_NN.square().sum(dim=1).argmin())
    assert set(chosen(2, "farthest_pair")) == set(divmod(int(apart_NN.argmax()), 12))


def test_lengths_do_not_matter_when_normalised() -> None:
    scale_N1 = torch.rand(12, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 0.5
    one, other = (
        DispersionMin("first", True, False, None).select(Candidates(np.arange(12), {"features": x}), 6, None)
        for x in (X_ND, X_ND * scale_N1)
    )
    np.testing.assert_array_equal(one, other)


def test_class_conditional_gives_each_true_class_its_share() -> None:
    picks = chosen(6, "first", class_conditional=True)
    assert np.bincount(np.array(picks) % 3).tolist() == [2, 2, 2]
    assert sorted(picks) != [0, 1, 2, 3, 4, 5]  # not the first rows of each class
