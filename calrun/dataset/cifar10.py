"""CIFAR-10 (Krizhevsky 2009): 60,000 colour pictures of 32x32 pixels, 10 classes."""

from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path

import torch
from torchvision.datasets import CIFAR10

from calrun.dataset.base import Dataset, Inputs, Source
from calrun.dataset.npz import archive_rows
from calrun.dataset.source.resident import resident_dataset
from calrun.dataset.source.transform import Transform


def load(root: str, transform: Transform, download: bool) -> Dataset:
    """Reads cifar-10-batches-py under `root`, torchvision's layout, and unpickles only files of the right checksum.

    Args:
        root: folder of data sets.
        transform: for pixels scaled to 0..1.
        download: unpacks cifar-10-python.tar.gz under `root`, fetching it if it is absent.

    Raises:
        ValueError: if files are absent or incomplete, and the download failed or is off.
    """
    return read(CIFAR10, root, transform, download)


def rows(place: str, inputs: Inputs, splits: Sequence[str], transform: Transform) -> Source:
    """Reads pictures from an .npz archive: bytes (N, 32, 32, 3) as x, or as x_test for "test"."""
    return archive_rows(place, [f"x_{split}" if split else "x" for split in splits], inputs, transform)


def read(kind: type[CIFAR10], root: str, transform: Transform, download: bool) -> Dataset:
    """Reads a set of the CIFAR family: `load` for another one of torchvision's classes."""
    splits = {}
    for split in ("train", "test"):
        pictures = official(kind, root, split == "train", download)
        inputs = torch.from_numpy(pictures.data).permute(0, 3, 1, 2)
        splits[split] = (inputs, torch.tensor(pictures.targets).numpy())
        class_names = list(pictures.classes)
    return resident_dataset(splits, class_names, transform)


def official(kind: type[CIFAR10], root: str, train: bool, download: bool) -> CIFAR10:
    """Returns one split as torchvision reads it."""
    try:
        return kind(root, train=train)
    except RuntimeError:  # absent, or a checksum disagrees
        if not download:
            raise ValueError(f"{wanted_files(kind, root)}; they are absent or incomplete") from None
    try:
        return kind(root, train=train, download=True)
    except (OSError, RuntimeError, HTTPException) as error:
        raise ValueError(f"{wanted_files(kind, root)}; the download failed ({error})") from error


def wanted_files(kind: type[CIFAR10], root: str) -> str:
    """Returns the part of an error that says which files go where."""
    parts = [file for file, _ in kind.train_list]
    names = f"{parts[0]}..{len(parts)}" if len(parts) > 1 else parts[0]
    return (
        f"put {names}, {kind.test_list[0][0]} and {kind.meta['filename']} of {kind.__name__} into "
        f"{Path(root) / kind.base_folder}, or {kind.filename} into {root}"
    )
