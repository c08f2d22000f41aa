"""JPEG pictures joined in one .npz archive: small sets are decoded once and kept in memory.

The archive holds `jpeg` (all files joined, bytes), `offsets` (int64, one more than pictures) and `labels`, each with
the prefixes `train_` and `test_`, or once with `split` (0 train, 1 test). Optional: `classes` (C names) and `names` of
the pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from calrun.dataset.base import UNKNOWN, Dataset, Inputs, Source
from calrun.dataset.check.labels import check_targets, count_classes, label_vector, named
from calrun.dataset.corruption.sources import made_sets
from calrun.dataset.read.archive import decode_jpeg, read_npz
from calrun.dataset.source.resident import resident_dataset, resident_rows
from calrun.dataset.source.transform import Transform

ARRAYS = ("jpeg", "offsets", "labels")
PICTURES = ("jpeg", "offsets")
SPLITS = ("train", "test")
PREFIXES = ("", *(f"{split}_" for split in SPLITS))


@dataclass(frozen=True)
class Stored:
    """One split as the archive stores it: the `rows` of the joined pictures belong to it."""

    joined: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    rows: np.ndarray


def load(path: str, transform: Transform, size: int | None, drop_classes: Sequence[str]) -> Dataset:
    """Decodes both splits.

    Args:
        path: the archive.
        transform: for pixels scaled to 0..1.
        size: side in pixels of the centre square cut out of each picture; `None` keeps pictures, which must be of one
            size.
        drop_classes: names of classes to leave out (numbers, where the archive names none); the others are renumbered.

    Raises:
        ValueError: if arrays are missing or disagree, a picture is unreadable, or an option does not fit them.
    """
    if size is not None and size < 1:
        raise ValueError(f"dataset.size is {size}; give the side of the pictures in pixels, or null")
    optional = [*ARRAYS, *(f"{split}_{array}" for split in SPLITS for array in ARRAYS), "split", "classes", "names"]
    arrays = read_npz(path, [], optional)
    stored = stored_splits(path, arrays)
    count = count_classes({name: split.labels[split.rows] for name, split in stored.items()})
    names = named(arrays.get("classes", np.arange(count)))
    kept = kept_classes(names, drop_classes)
    splits, item_ids = {}, dict[str, Sequence[str]]()
    for name, split in stored.items():
        check_targets(name, split.labels[split.rows], len(split.rows), len(names))
        wanted = [*kept, UNKNOWN] if name == "train" else kept
        rows = split.rows[np.isin(split.labels[split.rows], wanted)]
        if not len(rows):
            raise ValueError(
                f"{path} has no {name} pictures of the classes that stay; drop fewer in dataset.drop_classes"
            )
        inputs = decode_jpeg(f"{path} ({name})", split.joined, split.offsets, rows, size)
        splits[name] = (torch.from_numpy(inputs), renumbered(split.labels[rows], kept))
        if "names" in arrays and (name == "train" or "split" in arrays):
            item_ids[name] = names_of(arrays["names"], rows)
    data = resident_dataset(splits, [names[number] for number in kept], transform, item_ids)
    return replace(data, further=made_sets(data.tests["test"]))


def rows(place: str, inputs: Inputs, splits: Sequence[str], transform: Transform, size: int | None) -> Source:
    """Decodes the pictures of an archive without their labels.

    Args:
        place: an archive with `jpeg` and `offsets`, or with both for each split, or with `split` beside them.
        inputs: what the network takes.
        splits: whose pictures are read, the first that is there; "" stands for arrays without a prefix.
        transform: with mean and std.
        size: as for `load`.
    """
    arrays = read_npz(place, [], ["split", "names", *(f"{prefix}{array}" for prefix in PREFIXES for array in PICTURES)])
    prefix, rows_N = pictures_of(place, arrays, splits)
    joined, offsets = (arrays[f"{prefix}{array}"] for array in PICTURES)
    check_pictures(f"{place}: {prefix}jpeg", joined, offsets)
    pictures = decode_jpeg(place, joined, offsets, rows_N, size)
    ids = names_of(arrays["names"], rows_N) if "names" in arrays and prefix in ("", "train_") else None
    return resident_rows(f"{prefix}jpeg", torch.from_numpy(pictures), inputs, transform, ids)


def pictures_of(place: str, arrays: dict[str, np.ndarray], splits: Sequence[str]) -> tuple[str, np.ndarray]:
    """Returns the prefix of the arrays of the first split that is there, and its rows in them.

    Raises:
        ValueError: if no such split has pictures.
    """
    for split in splits:
        prefix = f"{split}_" if split else ""
        if all(f"{prefix}{array}" in arrays for array in PICTURES) and not (prefix == "" and "split" in arrays):
            return prefix, np.arange(len(arrays[f"{prefix}offsets"]) - 1)
        if split in SPLITS and "split" in arrays and all(array in arrays for array in PICTURES):
            return "", np.flatnonzero(arrays["split"] == SPLITS.index(split))
    wanted = [f"{split}_jpeg" if split else "jpeg" for split in splits]
    raise ValueError(f"{place} holds {sorted(arrays)} but not {' or '.join(wanted)} with offsets; save the pictures so")


def stored_splits(path: str, arrays: dict[str, np.ndarray]) -> dict[str, Stored]:
    """Returns train and test of either layout.

    Raises:
        ValueError: if a split or one of its arrays is missing, or pictures and labels differ in number.
    """
    divided = "split" in arrays
    wanted = list(ARRAYS) if divided else [f"{split}_{array}" for split in SPLITS for array in ARRAYS]
    missing = [name for name in wanted if name not in arrays]
    if missing:
        raise ValueError(
            f"{path} holds {sorted(arrays)} but not {missing}; wanted are {', '.join(ARRAYS)} with the prefixes train_ "
            "and test_, or once with `split` (0 train, 1 test)"
        )
    if divided and not np.isin(arrays["split"], range(len(SPLITS))).all():
        raise ValueError(
            f"{path}: split holds {np.unique(arrays['split'])[:5].tolist()}; wanted are 0 (train) and 1 (test)"
        )
    stored = {}
    for number, split in enumerate(SPLITS):
        joined, offsets, labels = (arrays[name if divided else f"{split}_{name}"] for name in ARRAYS)
        labels_N = label_vector(split, labels)
        if len(offsets) != len(labels_N) + 1 or (divided and len(arrays["split"]) != len(labels_N)):
            raise ValueError(
                f"{path}: {len(labels_N)} labels need as many entries of split and one offset more, not {len(offsets)}"
            )
        rows = np.flatnonzero(arrays["split"] == number) if divided else np.arange(len(labels_N))
        if not len(rows):
            raise ValueError(f"{path} has no {split} pictures; give it a {split} split")
        check_pictures(f"{path}: the {split} pictures", joined, offsets)
        stored[split] = Stored(joined, offsets, labels_N, rows)
    return stored


def check_pictures(what: str, joined: np.ndarray, offsets: np.ndarray) -> None:
    """Raises a ValueError if arrays hold no joined files and where each begins."""
    if joined.dtype != np.uint8 or joined.ndim != 1 or offsets.dtype.kind not in "iu" or offsets.ndim != 1:
        raise ValueError(
            f"{what} are {joined.dtype} of shape {joined.shape} with offsets of type {offsets.dtype}; wanted are the "
            "files' bytes (uint8), joined, and whole numbers"
        )


def names_of(names: np.ndarray, rows: np.ndarray) -> list[str]:
    """Returns the names of the pictures in `rows`."""
    if rows.max() >= len(names):
        raise ValueError(
            f"the archive names {len(names)} pictures, but has {rows.max() + 1} or more; name each or none"
        )
    return [str(names[row]) for row in rows]


def renumbered(labels_N: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Returns the place of each label among the classes that stay, UNKNOWN where nobody knows it yet."""
    return np.where(labels_N == UNKNOWN, UNKNOWN, np.searchsorted(kept, labels_N))


def kept_classes(names: list[str], drop_classes: Sequence[str]) -> np.ndarray:
    """Returns the old numbers of the classes that stay, in order."""
    dropped = {str(name) for name in drop_classes}
    unknown = sorted(dropped - set(names))
    if unknown:
        raise ValueError(f"dataset.drop_classes names {unknown}, but the classes are {names}")
    if dropped and len(names) - len(dropped) < 2:
        raise ValueError(f"dataset.drop_classes leaves {len(names) - len(dropped)} of {names}; at least 2 are wanted")
    return np.array([number for number, name in enumerate(names) if name not in dropped])
