"""The user's own pictures: root/train/<class>/* and root/test/<class>/*, and root/val/<class>/* if there is one."""

import os
from pathlib import Path

import numpy as np

from calrun.dataset.base import Dataset, Source
from calrun.dataset.picture import Picture
from calrun.dataset.streamed import Streamed
from calrun.dataset.transform import Transform

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def load(root: str, picture: Picture, transform: Transform, num_workers: int) -> Dataset:
    """Lists the pictures; they are read when their turn comes.

    Args:
        root: the folder that holds train and test.
        picture: how a file becomes a square of bytes.
        transform: normalises pixels scaled to 0..1.
        num_workers: processes that decode.

    Raises:
        ValueError: if a folder is missing, has no pictures, or classes differ between splits.
    """
    if transform.mean is None:
        raise ValueError(
            "dataset.transform has no mean and std; pictures that are streamed cannot be measured, give both"
        )
    if num_workers < 0:
        raise ValueError(f"dataset.num_workers must be 0 or more, came {num_workers}")
    folder = Path(root)
    class_names = classes_of(folder / "train")
    sources: dict[str, Source] = {}
    for split in ("train", "test", "val"):
        if split == "val" and not (folder / split).is_dir():
            continue
        check_classes(folder / split, class_names)
        files, targets = listed(folder, split, class_names)
        sources[split] = Streamed(folder, files, targets, picture, transform, num_workers)
    shape = (3, picture.size, picture.size)
    tests = {"test": sources["test"]}
    return Dataset(sources["train"], tests, len(class_names), class_names, shape, sources.get("val"))


def classes_of(folder: Path) -> list[str]:
    """Returns the names of the class folders of one split, sorted."""
    if not folder.is_dir():
        raise ValueError(
            f"no folder {folder}; wanted are train/<class>/ and test/<class>/ with pictures in dataset.root"
        )
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise ValueError(f"folder {folder} has no class folders; put the pictures of each class into {folder}/<class>/")
    return names


def check_classes(folder: Path, class_names: list[str]) -> None:
    """Refuses a split whose class folders are not those of train."""
    found = classes_of(folder)
    if found != class_names:
        extra, lacking = sorted(set(found) - set(class_names)), sorted(set(class_names) - set(found))
        raise ValueError(
            f"class folders of {folder} differ from those of train: {len(lacking)} missing (first: {lacking[:5]}), "
            f"{len(extra)} unknown (first: {extra[:5]}); every split needs the same class folders"
        )


def listed(root: Path, split: str, class_names: list[str]) -> tuple[list[str], np.ndarray]:
    """Returns the pictures of a split relative to `root`, class after class, sorted, and their class numbers."""
    files: list[str] = []
    counts = []
    for name in class_names:
        pictures = pictures_in(root / split / name)
        if not pictures:
            raise ValueError(
                f"class folder {root / split / name} has no pictures ({' '.join(SUFFIXES)}); fill it or drop the class"
            )
        files += [f"{split}/{name}/{picture}" for picture in pictures]
        counts.append(len(pictures))
    return files, np.repeat(np.arange(len(class_names), dtype=np.int64), counts)


def pictures_in(folder: Path) -> list[str]:
    """Returns the pictures of a folder and its subfolders, relative to it, sorted."""
    found = []
    for parent, _, names in os.walk(folder, followlinks=True):
        inside = Path(parent).relative_to(folder)
        found += [(inside / name).as_posix() for name in names if name.lower().endswith(SUFFIXES) and name[0] != "."]
    return sorted(found)
