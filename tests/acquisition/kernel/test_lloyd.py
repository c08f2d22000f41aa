"""Lloyd's algorithm against scikit-learn's and its own promises."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from calrun.acquisition.kernel.factors import Factor, Points
from calrun.acquisition.kernel.lloyd import Effort, assign, kmeans, lloyd

X_ND = torch.randn(150, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("chunk", [11, 1000])
def test_clusters_are_scikit_learns_from_the_same_start(chunk: int) -> None:
    found = lloyd(Points([Factor(X_ND)], chunk), X_ND[:7], max_iter=300, tol=0)
    expected = KMeans(7, init=X_ND[:7].numpy(), n_init=1, max_iter=300, tol=0, algorithm="lloyd").fit(X_ND.numpy())
    np.testing.assert_array_equal(found.labels_N.numpy(), expected.labels_)
    assert found.inertia == pytest.approx(expected.inertia_)


def test_inertia_never_grows() -> None:
    points = Points([Factor(X_ND)], 64)
    inertias = [lloyd(points, X_ND[:9], max_iter=steps, tol=0).inertia for steps in range(12)]
    assert all(later <= earlier + 1e-9 for earlier, later in zip(inertias, inertias[1:], strict=False))  # noqa: RUF007


def test_no_cluster_is_empty_even_among_copies() -> None:
    x_ND = torch.tensor([[0.0], [0.0], [0.0], [1.0]])
    clusters = lloyd(Points([Factor(x_ND)], 2), torch.zeros(4, 1), max_iter=5, tol=0)
    assert sorted(clusters.labels_N.tolist()) == [0, 1, 2, 3]


def test_more_runs_are_never_worse() -> None:
    points = Points([Factor(X_ND)], 64)
    one = kmeans(points, 12, np.random.default_rng(0), Effort(20, 0))
    many = kmeans(points, 12, np.random.default_rng(0), Effort(20, 0, num_init=5))
    assert many.inertia < one.inertia


@pytest.mark.parametrize("num_clusters", [40, 120])
def test_clusters_are_as_tight_as_scikit_learns(num_clusters: int) -> None:
    """Clumps of unlike sizes, where the seeds decide; scikit-learn takes the best of 2 + ln K draws for each, too."""
    generator = torch.Generator().manual_seed(0)
    sizes = torch.randint(4, 40, (num_clusters,), generator=generator)
    centres_KD = 3 * torch.randn(num_clusters, 8, generator=generator).repeat_interleave(sizes, dim=0)
    x_ND = (centres_KD + torch.randn(len(centres_KD), 8, generator=generator)).double()
    points, seeds = Points([Factor(x_ND)], 4096), range(3)

    def mean(greedy: bool) -> float:
        effort = Effort(50, 1e-4, greedy=greedy)
        return np.mean([kmeans(points, num_clusters, np.random.default_rng(seed), effort).inertia for seed in seeds])

    theirs = np.mean([KMeans(num_clusters, n_init=1, random_state=seed).fit(x_ND.numpy()).inertia_ for seed in seeds])
    assert mean(greedy=True) < 1.01 * theirs
    assert mean(greedy=False) > 1.01 * theirs


def test_each_point_goes_to_the_first_of_its_nearest_centres() -> None:
    points = Points([Factor(torch.tensor([[0.0], [1.0], [3.0]]))], 2)
    assert assign(points, torch.tensor([[0.0], [2.0], [2.0]])).labels_N.tolist() == [0, 0, 1]
