from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from calrun.dataset.base import Dataset
from calrun.dataset.npz import load
from calrun.dataset.source.transform import Transform

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
        ({}, {"num_classes": 3, "class_names": ["a", "b"]}, "num_classes is 3, but there are 2 classes"),
        ({"y_train": np.array([1, 2, 3, 1, 2, 3])}, {}, r"no training row \(first: \[0\]\)"),
        ({"y_test": LABELS[:5]}, {}, "6 inputs but 5 labels"),
        ({"y_train": np.array([1, 2, 3, 1, 2, 3])}, {"num_classes": 3}, "subtract 1 from the labels of every split"),
        ({"y_train": LABELS / 1.0}, {}, r"labels must be integers: save y.astype\(int\)"),
        ({"y_train": LABELS / 2}, {}, r"labels such as \[0.0, 0.5, 1.0\], which are no classes"),
        ({"y_train": np.where(LABELS == 1, np.nan, 0)}, {}, r"NaN or infinite in 2 rows \(first: \[1, 4\]\)"),
        (
            {"y_train": LABELS > 0},
            {},
            "train has labels that are true or false, but split test has labels of type int64",
        ),
        (
            {"y_train": np.array(list("catcat"))},
            {},
            "train has labels that are text, but split test has labels of type int64",
        ),
        ({"y_train": np.eye(3, dtype=np.int64)[LABELS]}, {}, r"one-hot: save y.argmax\(axis=1\)"),
        ({"y_train": np.ones((6, 3))}, {}, "rows of no class or of several are not supported"),
        ({"y_train": LABELS[None]}, {}, r"shape \(1, 6\); .*save y.reshape\(-1\)"),
        ({"y_train": np.array([-1, 1] * 3), "y_test": np.array([-1, 1] * 3)}, {}, "write 0 for -1 in every split"),
        ({"y_train": LABELS - 1}, {}, r"split test has labels that no training row has \(\[2\]\)"),
        ({"y_train": LABELS * 10**9}, {}, r"labels up to 2000000000, but there are only 6 training rows"),
        ({"y_test": LABELS + 1}, {}, r"split test has labels that no training row has \(\[3\]\); leave its rows"),
        ({}, {"num_classes": 0}, "num_classes is 0, but a classifier tells at least 2 classes apart"),
        ({}, {"class_names": ["a", "b", "a"]}, r"1 class names stand for several classes \(first: \['a'\]\)"),
        ({"x_train": np.zeros((6, 0)), "x_test": np.zeros((6, 0))}, {}, "which hold no values"),
        ({"x_train": np.zeros(6)}, {}, r"save x_train.reshape\(-1, 1\)"),
        ({"x_test": np.zeros((6, 4), np.uint8)}, {}, "split test holds bytes and train other numbers"),
        (
            {"x_train": 1.6e9 + np.arange(24.0).reshape(6, 4)},
            {},
            r"4 of 4 entries of x_train lie within 20 of",
        ),
        ({"x_train": 1.6e9 + np.arange(24.0).reshape(6, 4) / 24}, {}, r"4 of 4 entries of x_train lie within 0.83"),
        ({"x_train": np.zeros((0, 4)), "y_train": np.zeros(0, int)}, {}, "split train has no rows; give it some"),
        ({"x_train": np.arange(24.0).reshape(6, 4) * 1e38}, {}, "or are too large"),
        ({"x_train": np.array(["a"] * 6)}, {}, r"x_train has shape \(6,\)"),
        ({"x_val": np.zeros((2, 4))}, {}, "one of x_val and y_val"),
        ({}, {"channels": "middle"}, r"'middle'; choose from \['first', 'last'\]"),
    ],
)
def test_faulty_archives_are_refused(tmp_path: Path, changed: dict, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        opened(saved(tmp_path, **changed), **options)


ORDERS = [
    ((6, 3, 32, 32), "last", "first"),
    ((6, 3, 20, 30), "last", "first"),
    ((6, 1, 16, 16), "last", "first"),
    ((6, 13, 64, 64), "last", "first"),
    ((6, 32, 32, 3), "first", "last"),
    ((6, 20, 30, 1), "first", "last"),
    ((6, 64, 64, 13), "first", "last"),
]


@pytest.mark.parametrize(("shape", "said", "meant"), ORDERS)
@pytest.mark.parametrize("model", ["cnn", "mlp", "timm", "torchvision"])
def test_channels_on_the_other_side_are_refused_whatever_the_model(
    shape: tuple, said: str, meant: str, model: str, tmp_path: Path, refusal: Callable[..., str]
) -> None:
    path = saved(tmp_path, x_train=np.zeros(shape, np.uint8), x_test=np.zeros(shape, np.uint8))
    name = ["model.model_name=resnet18"] if model in ("timm", "torchvision") else []
    line = refusal("run", "dataset=npz", f"dataset.path={path}", f"model={model}", *name, f"dataset.channels={said}")
    assert f"set dataset.channels={meant}, or" in line
    assert "model=mlp" not in line
    assert opened(path, channels=meant).num_classes == 3


@pytest.mark.parametrize(
    ("shape", "channels"), [((6, 4, 4, 16), "last"), ((6, 16, 4, 4), "first"), ((6, 9, 8, 4), "last")]
)
def test_channels_that_are_what_they_seem_pass(shape: tuple, channels: str, tmp_path: Path) -> None:
    pictures = np.zeros(shape, np.uint8)
    dataset = opened(saved(tmp_path, x_train=pictures, x_test=pictures), channels=channels)
    assert dataset.input_shape[0] == (shape[3] if channels == "last" else shape[1])


@pytest.mark.parametrize("kind", [">f4", ">u2", "<i8", "f2", "?", "F"])
def test_numbers_of_any_kind_come_out_as_they_are(kind: str, tmp_path: Path) -> None:
    stored = np.random.default_rng(0).integers(0, 2, (6, 5, 7, 3))
    pictures = np.asfortranarray(stored) if kind == "F" else stored.astype(kind)
    dataset = opened(saved(tmp_path, x_train=pictures, x_test=pictures))
    ((_, x),) = dataset.train.batches(np.arange(6), 6)
    np.testing.assert_array_equal(x.permute(0, 2, 3, 1).numpy(), stored)


def test_pictures_on_two_scales_are_refused(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).random((6, 8, 8, 3))
    with pytest.raises(ValueError, match=r"test holds pictures with values up to .*; bring both to one scale"):
        opened(saved(tmp_path, x_train=pictures, x_test=pictures * 255))


@pytest.mark.parametrize(
    ("kind", "mean", "std", "message"),
    [
        (np.float32, [0.5], [0.2], "save them as bytes"),
        (np.int64, [0.5], [0.2], "save them as bytes"),
        (np.uint8, [120.0], [60.0], "divide both by 255"),
    ],
)
def test_statistics_of_another_scale_are_refused(
    kind: type, mean: list[float], std: list[float], message: str, tmp_path: Path
) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype(kind)
    with pytest.raises(ValueError, match=message):
        load(saved(tmp_path, x_train=pictures, x_test=pictures), Transform(mean, std), None, "last", None)


def test_a_constant_entry_stays_quiet_although_its_mean_is_rounded(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).random((6, 4))
    vectors[:, 2] = 0.1
    path = saved(tmp_path, x_train=vectors, x_test=vectors)
    ((_, x),) = load(path, Transform(None, None), None, "last", None).train.batches(np.arange(6), 6)
    assert x.abs().max() < 10
    assert x[:, 2].abs().max() < 1e-6
