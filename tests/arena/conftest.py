"""A data set of a few features, and the arena's command on it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def write_set() -> Callable[..., Path]:
    """Writes an archive NAME.npz of three clouds of points, and returns its folder; arrays given replace its own."""

    def written(folder: Path, name: str = "clouds", rows: int = 1200, **given: np.ndarray) -> Path:
        rng = np.random.default_rng(len(name))
        labels, test_labels = rng.integers(0, 3, rows), rng.integers(0, 3, 400)
        centres = 1.5 * rng.normal(size=(3, 5))
        arrays = {
            "features": centres[labels] + rng.normal(size=(rows, 5)),
            "labels": labels,
            "test_features": centres[test_labels] + rng.normal(size=(400, 5)),
            "test_labels": test_labels,
        }
        folder.mkdir(parents=True, exist_ok=True)
        kept = {key: array for key, array in {**arrays, **given}.items() if array is not None}
        np.savez(folder / f"{name}.npz", **kept)
        return folder

    return written
