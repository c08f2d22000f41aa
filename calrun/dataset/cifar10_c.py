"""CIFAR-10 with its corrupted test sets, CIFAR-10-C (Hendrycks and Dietterich 2019), to be looked at at the end."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from calrun.dataset import cifar10
from calrun.dataset.base import Dataset
from calrun.dataset.cifar10 import rows as rows
from calrun.dataset.corruption.sources import made_sets, published_sets
from calrun.dataset.source.resident import Resident
from calrun.dataset.source.transform import Transform

FOLDER = "CIFAR-10-C"


def load(root: str, transform: Transform, download: bool, corruptions: Literal["published", "made"] | None) -> Dataset:
    """Reads CIFAR-10, and where the corrupted test sets are or how they are made.

    Args:
        root: folder of data sets; the published files lie in CIFAR-10-C there: labels.npy and a file for each
            corruption.
        transform: for pixels scaled to 0..1.
        download: fetches CIFAR-10 if it is absent.
        corruptions: `published` reads the files, `made` makes all but frost from the clean test set; `None` reads the
            files if their folder is there.
    """
    data = cifar10.load(root, transform, download)
    folder, clean = Path(root).expanduser() / FOLDER, data.tests["test"]
    assert isinstance(clean, Resident)
    published = corruptions == "published" or (corruptions is None and folder.is_dir())
    return replace(data, further=published_sets(folder, clean) if published else made_sets(clean))
