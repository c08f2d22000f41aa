"""SVHN (Netzer et al. 2011): digits of house numbers, 32x32 pixels in colour; 73,257 for training, 26,032 for the test.

The files are MATLAB's: X, bytes (32, 32, 3, N), and y (N, 1), in which 10 is the digit 0.

Dimension key: N rows of a split.
"""

from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from zlib import error as ZlibError

import numpy as np
import torch
from scipy.io import loadmat
from scipy.io.matlab import MatReadError
from torchvision.datasets import SVHN
from torchvision.datasets.utils import download_url

from calrun.dataset.base import Dataset, Inputs, Source
from calrun.dataset.npz import archive_rows
from calrun.dataset.source.resident import resident_dataset
from calrun.dataset.source.transform import Transform

DIGITS = [str(digit) for digit in range(10)]
BROKEN = (OSError, ValueError, TypeError, KeyError, EOFError, NotImplementedError, ZlibError, MatReadError)


def load(root: str, transform: Transform, extra: bool, download: bool) -> Dataset:
    """Reads train_32x32.mat and test_32x32.mat under `root`.

    Args:
        root: the folder of the files.
        transform: for pixels scaled to 0..1.
        extra: whether the 531,131 easier pictures of extra_32x32.mat follow those of train in the pool.
        download: fetches files that are absent.

    Raises:
        ValueError: if a file is absent and its download failed or is off, or it is another kind of file.
    """
    parts = {split: read(root, split, download) for split in ("train", "test", *(["extra"] if extra else []))}
    if extra:
        joined = [np.concatenate(pair) for pair in zip(parts["train"], parts.pop("extra"), strict=True)]
        parts["train"] = joined[0], joined[1]
    splits = {split: (torch.from_numpy(pictures), labels_N) for split, (pictures, labels_N) in parts.items()}
    return resident_dataset(splits, DIGITS, transform)


def rows(place: str, inputs: Inputs, splits: Sequence[str], transform: Transform) -> Source:
    """Reads pictures from an .npz archive: bytes (N, 32, 32, 3) as x, or as x_test for "test"."""
    return archive_rows(place, [f"x_{split}" if split else "x" for split in splits], inputs, transform)


def read(root: str, split: str, download: bool) -> tuple[np.ndarray, np.ndarray]:
    """Returns pictures (N, 3, 32, 32) and labels (N,) of one split."""
    path = fetched(root, split, download)
    try:
        found = loadmat(path, variable_names=["X", "y"])
        pictures, labels_N = found["X"], found["y"].astype(np.int64).reshape(-1)
        if pictures.dtype != np.uint8 or pictures.shape != (32, 32, 3, len(labels_N)):
            raise ValueError(f"X is {pictures.dtype} of shape {pictures.shape} with {len(labels_N)} labels")
    except BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{path} is no file of SVHN's cropped digits ({reason}); wanted are X, bytes (32, 32, 3, N), and y; fetch "
            f"it again from {SVHN.split_list[split][0]}"
        ) from error
    return np.ascontiguousarray(pictures.transpose(3, 2, 0, 1)), np.where(labels_N == 10, 0, labels_N)


def fetched(root: str, split: str, download: bool) -> Path:
    """Returns the file of a split, after its download if it is absent."""
    url, name, md5 = map(str, SVHN.split_list[split])
    path = Path(root).expanduser() / name
    wanted = f"put {name} of SVHN (format 2, cropped digits, {url}) into {path.parent}"
    if path.is_file():
        return path
    if not download:
        raise ValueError(f"{wanted}; it is absent")
    try:
        download_url(url, str(path.parent), name, md5)
    except (OSError, RuntimeError, HTTPException) as error:
        raise ValueError(f"{wanted}; the download failed ({error})") from error
    return path
