"""The user's own arrays in one .npz archive: x_train, y_train, x_test, y_test and, if wanted, x_val, y_val.

Without x_test and y_test, the test set is named by a file (row_transform=split).

Dimension key: N rows, D vector entries, H W height and width, ch channels.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from calrun.dataset.base import Dataset, Inputs, Source
from calrun.dataset.check.label_names import numbered
from calrun.dataset.check.labels import count_classes, named
from calrun.dataset.corruption.sources import made_sets
from calrun.dataset.read.archive import first_array, read_npz
from calrun.dataset.source.resident import resident_dataset, resident_rows
from calrun.dataset.source.transform import Transform

ARRAYS, OPTIONAL = ["x_train", "y_train"], ("test", "val")
CHANNEL_AXES = {"last": -1, "first": 1}
COLOURS = (1, 3, 4)  # channels of grey, colour, and colour with transparency
ROWS_PER_PASS = 4096
MOST_ERROR = 0.01  # largest error of float32, as a share of an entry's spread
LEAST_SPREAD = 1e-12  # smallest spread, as a share of an entry's size: less is the rounding of a constant


def load(
    path: str, transform: Transform, num_classes: int | None, channels: str, class_names: Sequence[str] | None
) -> Dataset:
    """Reads vectors (N, D), grey pictures (N, H, W) or pictures with channels.

    Args:
        path: the archive.
        transform: for pixels scaled to 0..1 where x is uint8, otherwise for the numbers as they are.
        num_classes: C, checked against the labels; `None` takes the largest label plus one.
        channels: `last` for pictures (N, H, W, ch), `first` for (N, ch, H, W).
        class_names: C names in the order of the labels; `None` takes what the labels say.

    Raises:
        ValueError: if arrays are missing or disagree, or an option does not fit them.
    """
    if channels not in CHANNEL_AXES:
        raise ValueError(f"dataset.channels is {channels!r}; choose from {sorted(CHANNEL_AXES)}")
    arrays = read_npz(path, ARRAYS, [f"{array}_{split}" for split in OPTIONAL for array in "xy"])
    for split in OPTIONAL:
        if (f"x_{split}" in arrays) != (f"y_{split}" in arrays):
            raise ValueError(f"{path} holds one of x_{split} and y_{split} without the other; save both or neither")
    names = [name for name in ("train", "test", "val") if f"x_{name}" in arrays]
    labels, found = numbered({name: arrays[f"y_{name}"] for name in names})
    if class_names is None:
        class_names = found or [str(number) for number in range(num_classes or count_classes(labels))]
    refuse_other_count(num_classes, class_names)
    splits = {name: (model_inputs(f"x_{name}", arrays[f"x_{name}"], channels), labels[name]) for name in names}
    data = resident_dataset(splits, named(class_names), transform)
    return replace(data, further=made_sets(data.tests["test"]) if data.tests else {})


def refuse_other_count(num_classes: int | None, class_names: Sequence[str]) -> None:
    """Raises a ValueError if the number of classes that is declared is not that of their names, or below 2."""
    if num_classes is not None and num_classes < 2:
        raise ValueError(f"dataset.num_classes is {num_classes}, but a classifier tells at least 2 classes apart")
    if num_classes not in (None, len(class_names)):
        raise ValueError(f"dataset.num_classes is {num_classes}, but there are {len(class_names)} classes; correct it")


def rows(place: str, inputs: Inputs, splits: Sequence[str], transform: Transform, channels: str) -> Source:
    """Reads the rows of an archive without their labels.

    Args:
        place: the archive.
        inputs: what the network takes.
        splits: whose array is read, the first that is there: x for "", x_test for "test".
        transform: with mean and std.
        channels: as for `load`.
    """
    return archive_rows(place, [f"x_{split}" if split else "x" for split in splits], inputs, transform, channels)


def archive_rows(
    place: str, names: Sequence[str], inputs: Inputs, transform: Transform, channels: str = "last"
) -> Source:
    """Returns the rows of the first of some arrays that an archive holds.

    Raises:
        ValueError: if it holds none of them, or rows of another kind than the network was trained on.
    """
    array, stored = first_array(place, names)
    return resident_rows(array, model_inputs(array, stored, channels), inputs, transform)


def model_inputs(array: str, stored: np.ndarray, channels: str) -> Tensor:
    """Returns (N, D) or (N, ch, H, W): uint8 as it is, other numbers as float32.

    Raises:
        ValueError: if the array has another shape or kind, its channels are elsewhere, or float32 cannot hold it.
    """
    if stored.ndim not in (2, 3, 4) or stored.dtype.kind not in "buif":
        hint = f"; for one number per row save {array}.reshape(-1, 1)" if stored.ndim == 1 else ""
        raise ValueError(
            f"{array} has shape {stored.shape} and type {stored.dtype}; wanted are numbers of shape "
            f"(N, D), (N, H, W) or (N, H, W, channels){hint}"
        )
    if stored.ndim == 4:
        refuse_other_order(array, stored.shape, channels)
    inputs = torch.from_numpy(stored if stored.dtype == np.uint8 else as_float32(array, stored))
    if inputs.ndim == 2:
        return inputs
    return inputs.unsqueeze(1) if inputs.ndim == 3 else inputs.movedim(CHANNEL_AXES[channels], 1)


def refuse_other_order(array: str, shape: tuple[int, ...], channels: str) -> None:
    """Refuses pictures whose channels are not where `channels` says: a network would train on slices.

    This is so if the other end has 1, 3 or 4 entries and this end does not, or if this end is a side of a square.
    """
    far, middle, near = shape[1:] if channels == "last" else shape[:0:-1]  # near: the channels as declared
    colours = far in COLOURS and near not in COLOURS and far != middle
    if not (colours or far < middle == near):
        return
    other, sides = ("first", (middle, near)) if channels == "last" else ("last", (near, middle))
    raise ValueError(
        f"{array} has shape {shape}, which looks like {far} channels of {sides[0]} x {sides[1]} pixels, but "
        f"dataset.channels={channels} makes {near} channels of it; set dataset.channels={other}, or, if there are "
        f"{near} channels, save that axis at the other end and set dataset.channels={other}"
    )


def as_float32(array: str, stored: np.ndarray) -> np.ndarray:
    """Returns numbers as float32.

    Raises:
        ValueError: if float32 cannot hold them or tell them apart.
    """
    with np.errstate(over="ignore"):
        inputs = stored.astype(np.float32)
    if stored.dtype.itemsize < 4 or stored.dtype == np.float32 or not stored.size:
        return inputs
    flat, rounded = stored.reshape(len(stored), -1), inputs.reshape(len(stored), -1)
    spread, error = np.zeros(flat.shape[1]), np.zeros(flat.shape[1])
    lowest = flat.min(axis=0).astype(np.float64)
    with np.errstate(invalid="ignore"):  # values that are not finite are reported elsewhere
        for start in range(0, len(flat), ROWS_PER_PASS):
            exact = flat[start : start + ROWS_PER_PASS].astype(np.float64)
            np.maximum(spread, exact.max(axis=0) - lowest, out=spread)
            np.maximum(error, np.abs(exact - rounded[start : start + ROWS_PER_PASS]).max(axis=0), out=error)
    lost = np.flatnonzero((error > MOST_ERROR * spread) & (spread > LEAST_SPREAD * np.abs(lowest)))
    if len(lost):
        raise ValueError(
            f"{len(lost)} of {len(spread)} entries of {array} lie within {spread[lost[0]]:g} of each other around "
            f"{lowest[lost[0]]:g} or are too large (first: {lost[:5].tolist()}), which float32 cannot tell apart; "
            "subtract a number from them that is the same in every split, or scale them down"
        )
    return inputs
