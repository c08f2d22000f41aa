"""CIFAR-10 with its corrupted test sets, CIFAR-10-C (Hendrycks and Dietterich 2019), to be looked at at the end."""

from dataclasses import replace
from pathlib import Path

from calrun.dataset import cifar10
from calrun.dataset.base import Dataset
from calrun.dataset.cifar10 import rows as rows
from calrun.dataset.corruption.sources import made_sets, published_sets
from calrun.dataset.source.transform import Transform


def load(root: str, transform: Transform, download: bool, corruptions_folder: str | None) -> Dataset:
    """Reads CIFAR-10, and where the corrupted test sets are or how they are made.

    Args:
        root: folder of data sets.
        transform: for pixels scaled to 0..1.
        download: fetches CIFAR-10 if it is absent.
        corruptions_folder: holds the published files, labels.npy and one for each corruption; `None` makes all
            corruptions but frost from the clean test set.
    """
    data = cifar10.load(root, transform, download)
    clean = data.tests["test"]
    if corruptions_folder is None:
        return replace(data, further=made_sets(clean))
    return replace(data, further=published_sets(Path(corruptions_folder).expanduser(), clean))
