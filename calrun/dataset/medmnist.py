"""The two-dimensional, single-label sets of MedMNIST v2 (Yang et al. 2023): one archive with three splits each.

An archive holds {train,val,test}_images (N, H, W[, 3]) and {train,val,test}_labels (N, 1).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from calrun.dataset.base import Dataset, Inputs, Source
from calrun.dataset.check.labels import count_classes, label_vector, named
from calrun.dataset.npz import archive_rows, model_inputs
from calrun.dataset.read.archive import read_npz
from calrun.dataset.source.resident import resident_dataset
from calrun.dataset.source.transform import Transform

SPLITS = ("train", "val", "test")
MULTI_LABEL = ("chestmnist",)


def load(path: str, flag: str, transform: Transform, class_names: Sequence[str] | None) -> Dataset:
    """Reads the three splits.

    Args:
        path: the archive.
        flag: MedMNIST's name of the set, such as pathmnist.
        transform: for pixels scaled to 0..1.
        class_names: in the order of the labels; `None` gives the classes their numbers.

    Raises:
        ValueError: if the set has several labels a picture or is three-dimensional, or the archive is no such one.
    """
    if flag.partition("_")[0] in MULTI_LABEL:
        raise ValueError(f"dataset.flag={flag} has several labels a picture, which no task here learns; choose another")
    if "3d" in flag:
        raise ValueError(f"dataset.flag={flag} is three-dimensional, which no network here takes; choose another")
    return read(path, transform, class_names, f"{flag}.npz")


def read(path: str, transform: Transform, class_names: Sequence[str] | None, usual_name: str) -> Dataset:
    """Reads an archive in MedMNIST's layout.

    Args:
        path: the archive.
        transform: for pixels scaled to 0..1.
        class_names: in the order of the labels; `None` gives the classes their numbers.
        usual_name: the name of the file, for the error where it is missing.

    Raises:
        ValueError: if there is no such archive, or its pictures or labels are of another kind.
    """
    if not Path(path).expanduser().is_file():
        raise ValueError(f"no file {path}; put MedMNIST's {usual_name} there or set dataset.path to where it is")
    arrays = read_npz(path, [f"{split}_{kind}" for split in SPLITS for kind in ("images", "labels")])
    for split in SPLITS:
        refuse_other_kinds(path, split, arrays[f"{split}_images"], arrays[f"{split}_labels"])
    labels = {split: label_vector(split, arrays[f"{split}_labels"]) for split in SPLITS}
    names = [str(c) for c in range(count_classes(labels))] if class_names is None else named(class_names)
    splits = {
        split: (model_inputs(f"{split}_images", arrays[f"{split}_images"], "last"), labels[split]) for split in SPLITS
    }
    return resident_dataset(splits, names, transform)


def rows(place: str, inputs: Inputs, splits: Sequence[str], transform: Transform) -> Source:
    """Reads the pictures of an archive without their labels: test_images for "test"; for "", images or x."""
    names = [name for split in splits for name in ([f"{split}_images"] if split else ["images", "x"])]
    return archive_rows(place, names, inputs, transform)


def refuse_other_kinds(path: str, split: str, images: np.ndarray, labels: np.ndarray) -> None:
    """Raises a ValueError if pictures are three-dimensional or have several labels."""
    if images.ndim == 5 or (images.ndim == 4 and images.shape[-1] not in (1, 3)):
        raise ValueError(
            f"{path}: {split}_images has shape {images.shape}; wanted are flat pictures (N, H, W) or (N, H, W, 3), not "
            "three-dimensional ones"
        )
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise ValueError(
            f"{path}: {split}_labels has {labels.shape[1]} labels a picture; wanted is one class number, shape (N, 1)"
        )
