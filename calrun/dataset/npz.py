"""The user's own arrays in one .npz archive: x_train, y_train, x_test, y_test and, if wanted, x_val, y_val.

Dimension key: N rows, D vector entries, H W height and width, ch channels.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from calrun.dataset.archive import read_npz
from calrun.dataset.base import Dataset
from calrun.dataset.check import label_vector
from calrun.dataset.resident import resident_dataset
from calrun.dataset.transform import Transform

ARRAYS = ["x_train", "y_train", "x_test", "y_test"]
CHANNEL_AXES = {"last": -1, "first": 1}


def load(
    path: str, transform: Transform, num_classes: int | None, channels: str, class_names: Sequence[str] | None
) -> Dataset:
    """Reads vectors (N, D), grey pictures (N, H, W) or pictures with channels.

    Args:
        path: the archive.
        transform: for pixels scaled to 0..1 where x is uint8, for the numbers as they are otherwise.
        num_classes: C, checked against the labels; None: the largest label plus one.
        channels: last for pictures (N, H, W, ch), first for (N, ch, H, W).
        class_names: C names; None: the numbers.
    """
    if channels not in CHANNEL_AXES:
        raise ValueError(f"dataset.channels is {channels!r}; choose from {sorted(CHANNEL_AXES)}")
    arrays = read_npz(path, ARRAYS, ["x_val", "y_val"])
    if ("x_val" in arrays) != ("y_val" in arrays):
        raise ValueError(f"{path} holds one of x_val and y_val without the other; save both or neither")
    names = [name for name in ("train", "test", "val") if f"x_{name}" in arrays]
    splits = {
        name: (model_inputs(name, arrays[f"x_{name}"], channels), label_vector(name, arrays[f"y_{name}"]))
        for name in names
    }
    if class_names is None:
        count = num_classes or max(int(labels.max(initial=0)) for _, labels in splits.values()) + 1
        class_names = [str(number) for number in range(count)]
    if num_classes not in (None, len(class_names)):
        raise ValueError(f"dataset.num_classes is {num_classes}, but dataset.class_names has {len(class_names)} names")
    return resident_dataset(splits, [str(name) for name in class_names], transform)


def model_inputs(split: str, stored: np.ndarray, channels: str) -> Tensor:
    """Returns (N, D) or (N, ch, H, W): uint8 as it is, other numbers as float32."""
    if stored.ndim not in (2, 3, 4) or stored.dtype.kind not in "buif":
        raise ValueError(
            f"x_{split} has shape {stored.shape} and type {stored.dtype}; wanted are numbers of shape "
            "(N, D), (N, H, W) or (N, H, W, channels)"
        )
    inputs = torch.from_numpy(stored if stored.dtype == np.uint8 else stored.astype(np.float32))
    if inputs.ndim == 2:
        return inputs
    return inputs.unsqueeze(1) if inputs.ndim == 3 else inputs.movedim(CHANNEL_AXES[channels], 1)
