"""Features of the arena's data sets: made without labels, in a shape that the arena reads."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from calrun.arena.sets import read_set

SCRIPTS = Path(__file__).parents[2] / "scripts"
DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("arena_features", SCRIPTS / "arena_features.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["arena_features"] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def test_the_layer_is_the_triangle_activation_summed_over_quadrants(script: ModuleType) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    size = script.PATCH**2
    layer = script.Layer(
        torch.zeros(size), torch.eye(size), torch.randn(4, size, generator=torch.Generator().manual_seed(0))
    )
    found = layer.features(pictures)
    assert found.shape == (3, 4 * 4)
    expected = np.zeros((3, 3, 3, 4))
    for number, top, left in np.ndindex(3, 3, 3):
        patch = pictures[number, top : top + script.PATCH, left : left + script.PATCH, 0].ravel() / 255
        patch = patch - patch.mean()
        patch /= np.sqrt(patch.var(ddof=1) + script.CONTRAST)
        distance_K = np.linalg.norm(patch - layer.words_KV.numpy(), axis=1)
        expected[number, top, left] = np.maximum(distance_K.mean() - distance_K, 0)
    quadrants = [
        expected[:, rows, columns].mean(axis=(1, 2))
        for rows in (slice(0, 2), slice(1, 3))
        for columns in (slice(0, 2), slice(1, 3))
    ]
    np.testing.assert_allclose(found.reshape(3, 4, 4), np.stack(quadrants, axis=2), atol=1e-4)


def test_rows_are_drawn_with_their_labels(script: ModuleType) -> None:
    rows = np.arange(10_000)
    kept = script.Split(rows, rows % 7, rows, rows % 7).drawn()
    assert len(kept.train) == script.MOST_TRAIN
    assert len(kept.test) == script.MOST_TEST
    np.testing.assert_array_equal(kept.train % 7, kept.labels)
    np.testing.assert_array_equal(kept.test % 7, kept.test_labels)


def test_features_of_counts_look_at_training_rows_alone(script: ModuleType) -> None:
    rng = np.random.default_rng(0)
    train, test = rng.poisson(2.0, (90, 100)) + 1, rng.poisson(2.0, (10, 100)) + 1
    labels = np.zeros(90, int)
    first, _, recipe = script.of_cells(script.Split(train, labels, test, labels[:10]))
    again, _, _ = script.of_cells(script.Split(train, labels, 50 * test, labels[:10]))
    np.testing.assert_allclose(first, again)
    assert "principal components" in recipe


def test_another_name_is_refused_and_an_archive_that_is_there_is_left(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="choose from fashion_mnist"):
        script.make("mnist", tmp_path, tmp_path / "mnist.npz")
    (tmp_path / "cells.npz").write_text("mine")
    script.make("cells", tmp_path, tmp_path / "cells.npz")
    assert (tmp_path / "cells.npz").read_text() == "mine"


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.is_dir(), reason=f"there is no {DATA}")
def test_real_cells_are_read_by_the_arena(script: ModuleType, tmp_path: Path) -> None:
    script.make("cells", DATA, tmp_path / "cells.npz")
    found = read_set("cells", tmp_path / "cells.npz")
    assert (found.num_classes, found.features_ND.shape[1]) == (16, 64)
    assert len(found.features_ND) + len(found.test_MD) == 2100
