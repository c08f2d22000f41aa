"""A hundred classes of ImageNet, 500 pictures of each for training and 100 for the test, as in the DISAL supplement.

Differs from the paper: neither its classes nor its pictures are public. The option names classes of its own, and a seed
draws the pictures, all from train/, because the validation set has 50 of a class. A run writes down what it may label.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

from calrun.dataset.base import Dataset
from calrun.dataset.check.labels import named
from calrun.dataset.check.picture_check import Level
from calrun.dataset.imagenet import train_classes
from calrun.dataset.read.folder_index import indexed
from calrun.dataset.read.picture_set import PictureReader, Split
from calrun.dataset.read.picture_set import rows as rows
from calrun.dataset.source.picture import Picture
from calrun.dataset.source.transform import Transform
from calrun.rng import numpy_rng
from calrun.text.legal import at_least

SHOWN = 5  # classes that an error names


@dataclass(frozen=True)
class Choice:
    """Which pictures of ImageNet's training set are taken.

    Args:
        classes: wnids, in the order of the labels.
        train_per_class: pictures of each class for training.
        test_per_class: pictures of each class for the test.
        seed: of the choice of pictures, the same for all runs.

    Raises:
        ValueError: if there are fewer than two classes, one is named twice, or a number is out of range.
    """

    classes: Sequence[str]
    train_per_class: int
    test_per_class: int
    seed: int

    def __post_init__(self) -> None:
        at_least(1, "dataset.choice", train_per_class=self.train_per_class, test_per_class=self.test_per_class)
        at_least(0, "dataset.choice", seed=self.seed)
        if len(named(self.classes)) < 2:
            raise ValueError(f"dataset.choice.classes wants two classes or more, came {[*self.classes]}")

    def of_class(self, name: str, files: Sequence[str]) -> dict[str, list[str]]:
        """Returns the pictures of a class for training and for the test, each in the order of their names.

        Only the class's own pictures decide about them.

        Raises:
            ValueError: if it has too few.
        """
        total = self.train_per_class + self.test_per_class
        if len(files) < total:
            raise ValueError(
                f"train/{name} has {len(files)} pictures, but {self.train_per_class} for training and "
                f"{self.test_per_class} for the test are wanted (dataset.choice); unpack all of them or take fewer"
            )
        order = numpy_rng(self.seed, 0, "chosen pictures", crc32(name.encode())).permutation(len(files))
        parts = {"train": order[: self.train_per_class], "test": order[self.train_per_class : total]}
        return {split: [f"train/{name}/{files[row]}" for row in np.sort(own)] for split, own in parts.items()}


def load(root: str, choice: Choice, picture: Picture, transform: Transform, num_workers: int, check: Level) -> Dataset:
    """Lists the pictures of the chosen classes, which are read whenever a batch needs them.

    Args:
        root: the folder that holds ImageNet's train/.
        choice: which pictures are taken.
        picture: how a file becomes a square of bytes.
        transform: normalises pixels scaled to 0..1.
        num_workers: processes that decode; 0 decodes in this one.
        check: how many pictures are decoded once before the run: all, sample, off.

    Raises:
        ValueError: if a class is absent or has too few pictures, a picture is damaged, or an option is wrong.
    """
    folder = Path(root).expanduser()
    reader = PictureReader(picture, transform, num_workers, check)
    names = named(choice.classes)
    missing = sorted(set(names) - set(train_classes(folder)))
    if missing:
        raise ValueError(
            f"{folder / 'train'} lacks {len(missing)} of the {len(names)} classes of dataset.choice.classes (first: "
            f"{missing[:SHOWN]}); unpack them, or name others"
        )
    files = indexed(folder / "train", names)
    chosen = [choice.of_class(name, files[name]) for name in names]
    splits: dict[str, Split] = {
        split: (
            [file for own in chosen for file in own[split]],
            np.repeat(np.arange(len(names)), [len(own[split]) for own in chosen]),
        )
        for split in ("train", "test")
    }
    return reader.dataset(folder, splits, names, is_part=True)
