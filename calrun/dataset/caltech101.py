"""Caltech-101 (Fei-Fei et al. 2004): 8,677 pictures of 101 kinds of things, and 467 of anything (BACKGROUND_Google).

It has no split of its own: a seed divides each class, and a run writes down which pictures it may label.
"""

from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

from calrun.dataset.base import Dataset
from calrun.dataset.check.picture_check import Level
from calrun.dataset.image_folder import classes_of, pictures_in, refuse_empty
from calrun.dataset.read.picture_set import PictureReader, Split
from calrun.dataset.read.picture_set import rows as rows
from calrun.dataset.source.picture import Picture
from calrun.dataset.source.transform import Transform
from calrun.rng import numpy_rng
from calrun.text.legal import at_least
from calrun.text.say import warn

CLASSES = 101
BACKGROUND = "BACKGROUND_Google"


@dataclass(frozen=True)
class Division:
    """Which pictures there are, and which of them are for the test.

    Args:
        background: whether BACKGROUND_Google is a class too, the first.
        test_fraction: share of each class's pictures that are for the test, rounded, at least one.
        seed: of the choice, the same for all runs.

    Raises:
        ValueError: if an argument is out of range.
    """

    background: bool
    test_fraction: float
    seed: int

    def __post_init__(self) -> None:
        at_least(0, "dataset.division", seed=self.seed)
        if not 0 < self.test_fraction < 1:
            raise ValueError(
                f"dataset.division.test_fraction is a share of each class in (0, 1), came {self.test_fraction}"
            )

    def of_class(self, name: str, files: list[str]) -> dict[str, list[str]]:
        """Returns a class's pictures for training and for the test, each in the order of their names.

        Only the class's own pictures decide about them.
        """
        order = numpy_rng(self.seed, 0, "test pictures", crc32(name.encode())).permutation(len(files))
        num_test = max(1, round(self.test_fraction * len(files)))
        for_test = set(order[:num_test].tolist())
        parts = {"train": [row for row in range(len(files)) if row not in for_test], "test": sorted(for_test)}
        return {split: [f"{name}/{files[row]}" for row in own] for split, own in parts.items()}


def load(
    root: str, division: Division, picture: Picture, transform: Transform, num_workers: int, check: Level
) -> Dataset:
    """Lists the pictures, which are read again whenever a batch needs them.

    Args:
        root: the folder 101_ObjectCategories.
        division: which pictures there are, and which are for the test.
        picture: how a file becomes a square of bytes.
        transform: normalises pixels scaled to 0..1.
        num_workers: processes that decode; 0 decodes in this one.
        check: how many pictures are decoded once before the run: all, sample, off.

    Raises:
        ValueError: if the folder is absent or empty, a picture is damaged, or an option is wrong.
    """
    folder = Path(root).expanduser()
    reader = PictureReader(picture, transform, num_workers, check)
    if not folder.is_dir():
        raise ValueError(
            f"no folder {folder}; unpack 101_ObjectCategories of Caltech-101 (caltech-101.zip of "
            "https://data.caltech.edu/records/mzrjq-6wc02) there, or set dataset.root to where it is"
        )
    class_names = [name for name in classes_of(folder) if division.background or name != BACKGROUND]
    if division.background + CLASSES != len(class_names):
        warn(f"{folder} has {len(class_names)} folders of classes, and Caltech-101 has {CLASSES}; see dataset.root")
    per_class = [pictures_in(folder / name, []) for name in class_names]
    refuse_empty(folder, class_names, per_class)
    divided = [division.of_class(name, files) for name, files in zip(class_names, per_class, strict=True)]
    splits: dict[str, Split] = {
        split: (
            [file for own in divided for file in own[split]],
            np.repeat(np.arange(len(divided)), [len(own[split]) for own in divided]),
        )
        for split in ("train", "test")
    }
    return reader.dataset(folder, splits, class_names, is_part=True)
