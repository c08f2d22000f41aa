"""Starting points that look at all pairs."""

import numpy as np
import pytest
import torch

from calrun.acquisition.kernel import pairs
from calrun.acquisition.kernel.factors import Factor, Points
from calrun.acquisition.kernel.pairs import farthest_pair, medoid_1center, nearest_to_mean

X_ND = torch.randn(60, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
APART_NN = torch.cdist(X_ND, X_ND)


@pytest.mark.parametrize("chunk", [7, 100])
def test_each_start_is_the_brute_one(chunk: int) -> None:
    points, rng = Points([Factor(X_ND)], chunk), np.random.default_rng(0)
    assert medoid_1center(points, rng) == int(APART_NN.amax(dim=1).argmin())
    assert farthest_pair(points, rng) == int(APART_NN.amax(dim=1).argmax())
    assert nearest_to_mean(points, rng) == int(APART_NN.square().sum(dim=1).argmin())


def test_too_many_rows_for_all_pairs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "MOST_ROWS", 50)
    with pytest.raises(ValueError, match="medoid1center compares all pairs of 60 rows, wanted at most 50"):
        medoid_1center(Points([Factor(X_ND)], 10), np.random.default_rng(0))
