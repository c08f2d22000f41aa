"""k-means sampling."""

import numpy as np
import torch

from calrun.acquisition.base import Candidates
from calrun.acquisition.kernel.lloyd import Clusters
from calrun.acquisition.kmeans import KMeansSampling, nearest_members


def test_separate_blobs_give_one_row_each() -> None:
    generator = torch.Generator().manual_seed(0)
    centre_KD = 100 * torch.eye(6)
    features_ND = centre_KD.repeat_interleave(9, dim=0) + torch.rand(54, 6, generator=generator)
    candidates = Candidates(np.arange(54), {"features": features_ND})
    rows = KMeansSampling(1, 50, 1e-4, None).select(candidates, 6, np.random.default_rng(0))
    assert sorted((rows // 9).tolist()) == [0, 1, 2, 3, 4, 5]
    for row in rows.tolist():
        blob_MD = features_ND[9 * (row // 9) : 9 * (row // 9) + 9]
        assert row % 9 == int((blob_MD - blob_MD.mean(dim=0)).square().sum(dim=1).argmin())


def test_of_equally_near_members_the_first_is_taken() -> None:
    clusters = Clusters(torch.zeros(2, 1), torch.tensor([1, 0, 1, 0]), torch.tensor([2.0, 1.0, 2.0, 1.0]))
    assert nearest_members(clusters).tolist() == [1, 0]
