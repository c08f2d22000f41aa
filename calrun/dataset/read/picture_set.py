"""Published sets of picture files: listed by their own rules, checked and read as those of a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calrun.dataset.base import Dataset, Source
from calrun.dataset.check.labels import check_targets
from calrun.dataset.check.picture_check import Level, faulty
from calrun.dataset.image_folder import rows as rows_of_folder
from calrun.dataset.source.picture import Picture
from calrun.dataset.source.streamed import Streamed
from calrun.dataset.source.transform import Transform

Split = tuple[Sequence[str], np.ndarray]  # files relative to the set's folder, and the class of each

SHOWN = 5  # pictures that an error names


@dataclass(frozen=True)
class PictureReader:
    """How the pictures of a set are checked, decoded and normalised.

    Args:
        picture: how a file becomes a square of bytes.
        transform: normalises pixels scaled to 0..1.
        num_workers: processes that decode; 0 decodes in this one.
        check: whether `all` pictures are decoded once before the run, a `sample` of 1,000 (and the headers of the
            others), or none (`off`).

    Raises:
        ValueError: if an option is wrong.
    """

    picture: Picture
    transform: Transform
    num_workers: int
    check: Level

    def __post_init__(self) -> None:
        self.transform.check_given_for_bytes()
        if self.num_workers < 0:
            raise ValueError(f"dataset.num_workers must be 0 or more, came {self.num_workers}")

    def dataset(
        self, folder: Path, splits: Mapping[str, Split], class_names: list[str], is_part: bool = False
    ) -> Dataset:
        """Returns a data set of these splits, train and test.

        Args:
            folder: the files are relative to it.
            splits: by name.
            class_names: C names.
            is_part: whether a rule of calrun's has chosen the training pictures, so that a run writes down which.

        Raises:
            ValueError: if a picture is absent or damaged, or a class has none for training.
        """
        files = [file for names, _ in splits.values() for file in names]
        bad = faulty(folder, files, self.picture.white, self.check)
        if bad:
            first = ", ".join(f"{name} ({reason})" for name, reason in list(bad.items())[:SHOWN])
            raise ValueError(
                f"{len(bad):,} of {len(files):,} pictures below {folder} cannot be used (first: {first}); fetch "
                "them again"
            )
        sources = {name: self.source(folder, name, split, len(class_names)) for name, split in splits.items()}
        sources["train"].is_part = is_part
        tests: dict[str, Source] = {"test": sources["test"]}
        shape = (3, self.picture.size, self.picture.size)
        return Dataset(sources["train"], tests, len(class_names), class_names, shape)

    def source(self, folder: Path, name: str, split: Split, num_classes: int) -> Streamed:
        """Returns one split."""
        files, targets = split
        targets_N = check_targets(name, targets, len(files), num_classes)
        return Streamed(folder, list(files), targets_N, self.picture, self.transform, self.num_workers)


def rows(place: str, picture: Picture, transform: Transform, num_workers: int, check: Level) -> Source:
    """Lists the pictures of a folder without their labels.

    Args:
        place: the folder.
        picture: as for a PictureReader, and so on.

    Raises:
        ValueError: if there is no such folder, or it has no pictures or bad ones.
    """
    return rows_of_folder(place, picture, transform, num_workers, check)
