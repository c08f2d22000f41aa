"""The bins of a map of the data.

Dimension key: N rows.
"""

import numpy as np
import pytest

from calrun.report.measure.hardness import BY_MEAN, BY_SPREAD, CIFAR10_SPREADS, IMAGENET_MEANS, binned


@pytest.mark.parametrize(("edges", "names"), [(IMAGENET_MEANS, BY_MEAN), (CIFAR10_SPREADS, BY_SPREAD)])
def test_bins_cover_everything_once(edges: tuple[float, ...], names: tuple[str, ...]) -> None:
    values_N = np.array([0.0, *edges, 1.0, *np.random.default_rng(0).random(50)])
    found = binned(values_N, edges, names)
    assert sorted(np.concatenate([*found.values()]).tolist()) == list(range(len(values_N)))
    assert [np.flatnonzero([at in rows for rows in found.values()]).item() for at in range(5)] == [0, 1, 2, 3, 3]
