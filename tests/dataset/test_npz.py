from pathlib import Path

import numpy as np
import pytest
import torch

from calrun.dataset.base import Dataset
from calrun.dataset.npz import load
from calrun.dataset.transform import Transform

LABELS = np.array([0, 1, 2, 0, 1, 2])


def saved(tmp_path: Path, **changed: np.ndarray) -> str:
    rng = np.random.default_rng(0)
    arrays = {"x_train": rng.random((6, 4)), "y_train": LABELS, "x_test": rng.random((6, 4)), "y_test": LABELS}
    np.savez(tmp_path / "own.npz", **{**arrays, **changed})
    return str(tmp_path / "own.npz")


def opened(path: str, num_classes: int | None = None, channels: str = "last", class_names: object = None) -> Dataset:
    return load(path, Transform([0.0], [1.0]), num_classes, channels, class_names)  # type: ignore[arg-type]


def test_vectors_come_out_as_they_are(tmp_path: Path) -> None:
    path = saved(tmp_path)
    dataset = opened(path)
    assert (dataset.num_classes, dataset.input_shape, dataset.class_names) == (3, (4,), ["0", "1", "2"])
    ((_, x),) = dataset.train.batches(np.array([5, 1]), 2)
    np.testing.assert_allclose(x.numpy(), np.load(path)["x_train"][[5, 1]], rtol=1e-6)
    assert dataset.train.targets.dtype == np.int64


@pytest.mark.parametrize(
    ("shape", "channels", "wanted"),
    [((6, 5, 7), "last", (1, 5, 7)), ((6, 5, 7, 3), "last", (3, 5, 7)), ((6, 3, 5, 7), "first", (3, 5, 7))],
)
def test_pictures_get_their_channels_first(tmp_path: Path, shape: tuple, channels: str, wanted: tuple) -> None:
    pictures = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8)
    dataset = opened(saved(tmp_path, x_train=pictures, x_test=pictures), channels=channels)
    assert dataset.input_shape == wanted
    ((_, x),) = dataset.train.batches(np.array([4]), 1)
    expected = torch.from_numpy(pictures[4].reshape(shape[1:])).float() / 255
    expected = expected.permute(2, 0, 1) if shape[1:] == (5, 7, 3) else expected.view(wanted)
    torch.testing.assert_close(x[0], expected)


def test_a_validation_split_is_kept(tmp_path: Path) -> None:
    dataset = opened(saved(tmp_path, x_val=np.zeros((2, 4)), y_val=np.array([[1], [2]])))
    assert dataset.val is not None
    np.testing.assert_array_equal(dataset.val.targets, [1, 2])


NAN = np.full((6, 4), np.nan)


@pytest.mark.parametrize(
    ("changed", "options", "message"),
    [
        ({"x_train": NAN}, {}, r"train has NaN or infinite values in 6 of 6 rows \(first: \[0, 1, 2, 3, 4\]\)"),
        ({}, {"num_classes": 2}, r"2 labels outside 0\.\.1"),
        ({}, {"num_classes": 4}, r"declares 4 classes, but 1 of them have no training row \(first: \[3\]\)"),
        ({}, {"num_classes": 3, "class_names": ["a", "b"]}, "num_classes is 3, but dataset.class_names has 2"),
        ({"y_train": np.array([1, 2, 3, 1, 2, 3])}, {}, r"no training row \(first: \[0\]\)"),
        ({"y_test": LABELS[:5]}, {}, "6 inputs but 5 labels"),
        ({"y_train": LABELS / 1.0}, {}, "labels must be integers"),
        ({"x_train": np.array(["a"] * 6)}, {}, r"x_train has shape \(6,\)"),
        ({"x_val": np.zeros((2, 4))}, {}, "one of x_val and y_val"),
        ({}, {"channels": "middle"}, r"'middle'; choose from \['first', 'last'\]"),
    ],
)
def test_faulty_archives_are_refused(tmp_path: Path, changed: dict, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        opened(saved(tmp_path, **changed), **options)
