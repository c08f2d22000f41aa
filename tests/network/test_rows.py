"""Rows without labels: read again, the training rows are what the network was trained on, whatever their option."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from calrun.dataset import cifar10, h5ad, jpeg_npz, medmnist, npz
from calrun.dataset.base import UNKNOWN, Inputs, Source
from calrun.dataset.source.joined import Joined
from calrun.dataset.source.resident import Resident
from calrun.dataset.source.transform import Transform
from calrun.network.rows import filled

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (9, 6, 6, 3), dtype=np.uint8)
LABELS = np.arange(9) % 3


def jpegs() -> dict[str, np.ndarray]:
    files = []
    for picture in PICTURES:
        file = BytesIO()
        Image.fromarray(picture).save(file, "JPEG")
        files.append(file.getvalue())
    return {"jpeg": np.frombuffer(b"".join(files), np.uint8), "offsets": np.cumsum([0, *map(len, files)])}


def open_transform() -> Transform:
    return Transform(None, None)


def of_npz(place: str) -> tuple[Any, Callable[..., Source]]:
    both = {"x_train": PICTURES, "y_train": LABELS, "x_test": PICTURES[::-1], "y_test": LABELS}
    np.savez(place, **both)
    return npz.load(place, open_transform(), None, "last", None), lambda t, i, s: npz.rows(place, i, s, t, "last")


def of_medmnist(place: str) -> tuple[Any, Callable[..., Source]]:
    arrays = {f"{split}_images": PICTURES for split in ("train", "val", "test")}
    np.savez(place, **arrays, **{f"{split}_labels": LABELS[:, None] for split in ("train", "val", "test")})
    data = medmnist.load(place, "pathmnist", open_transform(), None)
    return data, lambda t, i, s: medmnist.rows(place, i, s, t)


def of_prefixed(place: str) -> tuple[Any, Callable[..., Source]]:
    both = {f"{split}_{name}": array for split in ("train", "test") for name, array in jpegs().items()}
    np.savez(place, **both, train_labels=LABELS, test_labels=LABELS)
    data = jpeg_npz.load(place, open_transform(), None, [])
    return data, lambda t, i, s: jpeg_npz.rows(place, i, s, t, None)


def of_divided(place: str) -> tuple[Any, Callable[..., Source]]:
    split, names = np.array([0] * 6 + [1] * 3), np.array([f"{row}.jpg" for row in range(9)])
    np.savez(place, **jpegs(), labels=LABELS, split=split, names=names)
    data = jpeg_npz.load(place, open_transform(), None, [])
    return data, lambda t, i, s: jpeg_npz.rows(place, i, s, t, None)


@pytest.mark.parametrize("option", [of_npz, of_medmnist, of_prefixed, of_divided])
def test_the_training_rows_read_again_are_the_training_rows(
    option: Callable[[str], tuple[Any, Callable[..., Source]]], tmp_path: Path
) -> None:
    data, read = option(str(tmp_path / "rows.npz"))
    measured = data.train.measured()
    inputs = Inputs(data.input_shape, len(data.train), measured)
    found = read(Transform(**measured["transform"]), inputs, ("", "train", "test"))
    everything = np.arange(len(data.train))
    ((_, x),), ((_, again),) = data.train.batches(everything, 100), found.batches(everything, 100)
    torch.testing.assert_close(again, x, rtol=0, atol=0)
    assert (found.targets == UNKNOWN).all()
    assert [found.item_id(row) for row in everything] == [data.train.item_id(row) for row in everything]


def test_pictures_of_cifar_10_are_bytes_in_an_archive(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", x=np.zeros((2, 32, 32, 3), np.uint8))
    transform, inputs = Transform([0.5] * 3, [0.5] * 3), Inputs((3, 32, 32), 9, {"stored": "bytes"})
    ((_, x),) = cifar10.rows(str(tmp_path / "p.npz"), inputs, ("",), transform).batches(np.arange(2), 9)
    assert (x == -1).all()


def test_pictures_that_are_joined_need_no_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", **jpegs())
    transform, inputs = Transform([0.0], [1.0]), Inputs((3, 6, 6), 9, {"stored": "bytes"})
    assert len(jpeg_npz.rows(str(tmp_path / "p.npz"), inputs, ("", "test"), transform, None)) == 9
    with pytest.raises(ValueError, match=r"holds \['jpeg', 'offsets'\] but not test_jpeg with offsets"):
        jpeg_npz.rows(str(tmp_path / "p.npz"), inputs, ("test",), transform, None)
    with pytest.raises(ValueError, match=r"jpeg has rows of shape \(3, 6, 6\), but the network was trained on"):
        jpeg_npz.rows(str(tmp_path / "p.npz"), Inputs((3, 8, 8), 9, {}), ("",), transform, None)


def test_pictures_of_another_scale_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", x=np.full((2, 6, 6, 3), 255.0))
    inputs = Inputs((3, 6, 6), 9, {"stored": "other numbers", "largest": 1.0})
    with pytest.raises(ValueError, match="holds pictures with values up to 255, but the network was trained on values"):
        npz.rows(str(tmp_path / "p.npz"), inputs, ("",), Transform([0.0], [1.0]), "last")


def test_cells_have_the_genes_of_the_training_cells_in_their_order(tmp_path: Path) -> None:
    counts = RNG.poisson(3, (12, 4)).astype(np.float32)
    names = pd.Index([str(row) for row in range(12)], dtype=object)  # what anndata can write
    types = pd.DataFrame({"type": list("abc" * 4)}, index=names, dtype=object)
    for name, order in (("cells", [0, 1, 2, 3]), ("other", [1, 0, 2, 3])):
        genes = pd.DataFrame(index=pd.Index([f"gene {gene}" for gene in order], dtype=object))
        anndata.AnnData(counts[:, order], types, genes).write_h5ad(tmp_path / f"{name}.h5ad")
    place = str(tmp_path / "cells.h5ad")
    data = h5ad.load(place, "type", None, 0.25, 1e4, True)
    inputs = Inputs(data.input_shape, len(data.train), data.train.measured())
    found = h5ad.rows(place, inputs, 1e4, True)
    ((_, x),) = data.train.batches(np.arange(1), 9)
    ((_, again),) = found.batches(np.array([int(data.train.item_id(0))]), 9)
    torch.testing.assert_close(again, x, rtol=0, atol=0)
    with pytest.raises(ValueError, match="are not the 4 that the network was trained on, or stand in another order"):
        h5ad.rows(str(tmp_path / "other.h5ad"), inputs, 1e4, True)


def test_only_what_was_left_open_takes_what_was_measured() -> None:
    node = {"transform": {"mean": None, "std": [2.0], "flip": True}, "path": "p", "size": None}
    measured = {"transform": {"mean": [1.0], "std": [9.0]}, "stored": "bytes"}
    assert filled(node, measured) == {
        "transform": {"mean": [1.0], "std": [2.0], "flip": True},
        "path": "p",
        "size": None,
    }


def test_joined_rows_come_in_the_order_that_they_are_asked_for() -> None:
    first = Resident(torch.arange(4.0).view(-1, 1), np.zeros(4, np.int64), Transform([0.0], [1.0]))
    second = Resident(10 + torch.arange(3.0).view(-1, 1), np.full(3, -1), Transform([0.0], [1.0]), ["a", "b", "c"])
    both = Joined(first, second)
    rows = np.array([6, 5, 1, 4, 0, 3])
    found = list(both.batches(rows, 2))
    np.testing.assert_array_equal(np.concatenate([chunk for chunk, _ in found]), rows)
    assert torch.cat([x for _, x in found]).flatten().tolist() == [12, 11, 1, 10, 0, 3]
    assert [both.item_id(row) for row in (3, 4)] == ["3", "a"]
    assert (len(both), both.targets.tolist()) == (7, [0, 0, 0, 0, -1, -1, -1])
    assert not list(both.batches(rows[:0], 2))
    assert both.checksum(0) not in (first.checksum(0), Joined(second, first).checksum(0))
