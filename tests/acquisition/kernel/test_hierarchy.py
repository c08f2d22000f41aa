"""Hierarchical clustering of rows."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist

from calrun.acquisition.kernel.hierarchy import Hierarchy, condensed_distances

BLOBS_ND = torch.tensor([[0.0], [0.1], [10.0], [10.2], [20.0], [20.1], [0.05], [10.1]])
ROWS = np.arange(8)


def labels(threshold: float | None, rows_per_cluster: float, micro: int | None) -> np.ndarray:
    hierarchy = Hierarchy("average", threshold, rows_per_cluster, micro, None)
    return hierarchy.clusters(BLOBS_ND, ROWS, np.random.default_rng(0))


@pytest.mark.parametrize(("threshold", "rows_per_cluster", "micro"), [(1.0, 1, None), (None, 3, None), (None, 3, 5)])
def test_separate_blobs_are_the_clusters(threshold: float | None, rows_per_cluster: float, micro: int | None) -> None:
    found = labels(threshold, rows_per_cluster, micro)
    blob_N = (BLOBS_ND.squeeze(1) / 10).round()
    for i in range(8):
        assert ((found == found[i]) == (blob_N == blob_N[i]).numpy()).all()


def test_a_hierarchy_that_does_not_fit_is_refused_with_the_approximation() -> None:
    hierarchy = Hierarchy("average", None, 10, None, 1e-3)
    with pytest.raises(ValueError, match=r"of 5000 rows needs 0.186 GiB, but the limit is 0.001 GiB; .*micro_clusters"):
        hierarchy.clusters(torch.zeros(5000, 2), np.arange(5000), np.random.default_rng(0))


@pytest.mark.parametrize("number", [2, 3, 255, 256, 257, 600])
def test_distances_are_those_of_scipy_in_its_order(number: int) -> None:
    x_ND = torch.randn(number, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(condensed_distances(x_ND), pdist(x_ND.numpy()), rtol=1e-12)


def test_copies_of_a_row_are_at_no_distance() -> None:
    x_ND = torch.full((300, 5), 0.1, dtype=torch.float64)
    assert not condensed_distances(x_ND).any()
