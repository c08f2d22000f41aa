import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from calrun.dataset.read.idx import FILES, load_idx, read_idx
from calrun.dataset.source.transform import Transform

CLASSES = ["a", "b"]


def packed(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.astype(np.uint8).tobytes()


def fill(folder: Path, zipped: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for count, names in zip((4, 2), FILES.values(), strict=True):
        pictures = np.arange(count)[:, None, None] * 51 + np.zeros((1, 3, 2))
        for name, array in zip(names, (pictures, np.arange(count) % 2), strict=True):
            content = packed(array)
            (folder / (f"{name}.gz" if zipped else name)).write_bytes(gzip.compress(content) if zipped else content)


@pytest.mark.parametrize("zipped", [True, False])
def test_plain_and_packed_files_are_read_where_they_lie(tmp_path: Path, zipped: bool) -> None:
    fill(tmp_path, zipped)
    before = sorted(tmp_path.iterdir())
    dataset = load_idx(tmp_path, CLASSES, Transform([0.0], [1.0]), download=None)
    assert (len(dataset.train), len(dataset.tests["test"]), dataset.input_shape) == (4, 2, (1, 3, 2))
    np.testing.assert_array_equal(dataset.train.targets, [0, 1, 0, 1])
    ((_, x),) = dataset.train.batches(np.array([3]), 1)
    torch.testing.assert_close(x, torch.full((1, 1, 3, 2), 0.6))
    assert sorted(tmp_path.iterdir()) == before


def test_missing_files_are_listed_with_their_place(tmp_path: Path) -> None:
    fill(tmp_path, zipped=True)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(ValueError, match=rf"put train-images.* into {tmp_path}; missing: t10k-labels-idx1-ubyte$"):
        load_idx(tmp_path, CLASSES, Transform([0.0], [1.0]), download=None)


def test_a_download_fetches_what_is_missing(tmp_path: Path) -> None:
    dataset = load_idx(tmp_path, CLASSES, Transform([0.0], [1.0]), download=lambda: fill(tmp_path, zipped=False))
    assert len(dataset.train) == 4


def test_a_failed_download_says_which_files_go_where(tmp_path: Path) -> None:
    def unplugged() -> None:
        raise OSError("no route to host")

    with pytest.raises(
        ValueError, match=rf"put train-images.* into {tmp_path}; the download failed \(no route to host\)"
    ):
        load_idx(tmp_path, CLASSES, Transform([0.0], [1.0]), unplugged)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a", b""),
        ("a", b"\0\0\x08"),
        ("a", packed(np.zeros((2, 3)))[:-1]),
        ("a", packed(np.zeros((2, 3))) + b"\0"),
        ("a", b"PK\3\4" + b"\0" * 40),
        ("a.gz", b"not gzip"),
        ("a.gz", gzip.compress(packed(np.zeros(9)), mtime=0)[:-6]),
    ],
)
def test_corrupt_files_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{tmp_path / name} .*fetch it again"):
        read_idx(tmp_path / name)


def test_a_failed_download_leaves_no_empty_folders(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "MNIST" / "raw"

    def fail() -> None:
        folder.mkdir(parents=True)
        raise OSError("no network")

    with pytest.raises(ValueError, match=r"the download failed \(no network\)"):
        load_idx(folder, CLASSES, Transform([0.0], [1.0]), download=fail)
    assert list(tmp_path.iterdir()) == []
