"""Scikit-learn's bundled digits: 1,797 grey pictures of 8x8 pixels (Alpaydin and Kaynak 1998), no download."""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from calrun.dataset.base import Dataset, Inputs, Source
from calrun.dataset.npz import model_inputs
from calrun.dataset.read.archive import first_array
from calrun.dataset.source.resident import resident_dataset, resident_rows
from calrun.dataset.source.transform import Transform

LARGEST_PIXEL = 16


def load(transform: Transform, num_train: int, split_seed: int) -> Dataset:
    """Splits the digits into train and test with equal class shares.

    Args:
        transform: for pixels scaled to 0..1.
        num_train: training rows; the rest of the 1,797 is the test set.
        split_seed: fixes the split, whatever the seed of the run.

    Raises:
        ValueError: if a class would be missing from train or test, or the seed is negative.
    """
    bundled = load_digits()
    num_classes, total = len(bundled.target_names), len(bundled.target)
    if not num_classes <= num_train <= total - num_classes or split_seed < 0:
        raise ValueError(
            f"dataset=digits wants num_train from {num_classes} to {total - num_classes:,} and a split_seed of at "
            f"least 0, got {num_train} and {split_seed}; correct it"
        )
    inputs = torch.from_numpy(bundled.images).float().unsqueeze(1) / LARGEST_PIXEL
    train, test = train_test_split(
        np.arange(len(inputs)), train_size=num_train, stratify=bundled.target, random_state=split_seed
    )
    splits = {name: (inputs[rows], bundled.target[rows]) for name, rows in (("train", train), ("test", test))}
    return resident_dataset(splits, [str(name) for name in bundled.target_names], transform)


def rows(place: str, inputs: Inputs, splits: Sequence[str], transform: Transform) -> Source:
    """Reads pictures from an .npz archive: pixels from 0 to 16, as scikit-learn has them, (N, 8, 8), as x or x_test.

    Raises:
        ValueError: if a pixel is outside 0 to 16.
    """
    array, stored = first_array(place, [f"x_{split}" if split else "x" for split in splits])
    pixels = model_inputs(array, stored, "last").float()
    if pixels.numel() and not 0 <= pixels.min() <= pixels.max() <= LARGEST_PIXEL:
        raise ValueError(
            f"{array} of {place} has values from {pixels.min():g} to {pixels.max():g}; the digits have pixels from 0 "
            f"to {LARGEST_PIXEL}"
        )
    return resident_rows(array, pixels / LARGEST_PIXEL, inputs, transform)
