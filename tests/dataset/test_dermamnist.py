from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from calrun.dataset.dermamnist import load
from calrun.dataset.source.transform import Transform

HAM10000 = Path(__file__).parents[2].parent / "shared" / "data" / "derma28_ham10000.npz"
RECIPE = Path(__file__).parents[2] / "conf" / "dataset" / "dermamnist.yaml"


def saved(tmp_path: Path, **left_out: None) -> str:
    arrays = {}
    for split, rows in (("train", 6), ("val", 2), ("test", 4)):
        arrays[f"{split}_images"] = np.full((rows, 5, 5, 3), 51, np.uint8)
        arrays[f"{split}_labels"] = np.arange(rows, dtype=np.uint8)[:, None] % 2
    np.savez(tmp_path / "d.npz", **{name: array for name, array in arrays.items() if name not in left_out})
    return str(tmp_path / "d.npz")


def test_three_splits_are_read_from_medmnists_layout(tmp_path: Path) -> None:
    dataset = load(saved(tmp_path), Transform([0.0], [1.0]), ["a", "b"])
    assert dataset.val is not None
    assert (len(dataset.train), len(dataset.val), len(dataset.tests["test"])) == (6, 2, 4)
    np.testing.assert_array_equal(dataset.val.targets, [0, 1])
    ((_, x),) = dataset.train.batches(np.array([0]), 1)
    torch.testing.assert_close(x, torch.full((1, 3, 5, 5), 0.2))


def test_class_names_must_be_as_many_as_the_labels(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="declares 3 classes, but 1 of them have no training row"):
        load(saved(tmp_path), Transform([0.0], [1.0]), ["a", "b", "c"])


def test_a_missing_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"but not \['test_images', 'test_labels'\]"):
        load(saved(tmp_path, test_images=None, test_labels=None), Transform([0.0], [1.0]), ["a", "b"])


def test_a_missing_file_says_what_goes_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no file .*x\.npz; put MedMNIST's dermamnist\.npz there"):
        load(str(tmp_path / "x.npz"), Transform([0.0], [1.0]), ["a", "b"])


@pytest.mark.realdata
@pytest.mark.skipif(not HAM10000.is_file(), reason=f"{HAM10000} is absent")
def test_ham10000_loads_with_the_recipes_classes_and_statistics() -> None:
    recipe = OmegaConf.load(RECIPE).dataset
    dataset = load(str(HAM10000), Transform(recipe.transform.mean, recipe.transform.std), recipe.class_names)
    assert dataset.val is not None
    assert (len(dataset.train), len(dataset.val), len(dataset.tests["test"])) == (7_007, 1_003, 2_005)
    means = torch.cat([x for _, x in dataset.train.batches(np.arange(7_007), 1_000)]).mean((0, 2, 3))
    torch.testing.assert_close(means, torch.zeros(3), atol=1e-3, rtol=0)
