"""MNIST (LeCun et al. 1998): 70,000 grey pictures of 28x28 pixels, 10 digits."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from torchvision.datasets import MNIST

from calrun.dataset.base import Dataset, Inputs, Source
from calrun.dataset.npz import archive_rows
from calrun.dataset.read.idx import load_idx
from calrun.dataset.source.transform import Transform


def load(root: str, transform: Transform, download: bool) -> Dataset:
    """Reads MNIST/raw under `root`, torchvision's layout.

    Args:
        root: folder of data sets.
        transform: for pixels scaled to 0..1.
        download: fetches the files if they are absent.

    Raises:
        ValueError: if files are missing and the download failed or is off, or a file is corrupt.
    """
    fetch = partial(MNIST, root, download=True) if download else None
    return load_idx(Path(root) / "MNIST" / "raw", [str(digit) for digit in range(10)], transform, fetch)


def rows(place: str, inputs: Inputs, splits: Sequence[str], transform: Transform) -> Source:
    """Reads pictures from an .npz archive: bytes (N, 28, 28) as x, or as x_test for "test"."""
    return archive_rows(place, [f"x_{split}" if split else "x" for split in splits], inputs, transform)
