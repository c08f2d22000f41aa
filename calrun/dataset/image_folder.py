"""The user's own pictures: root/train/<class>/* and root/test/<class>/*, and optionally root/val/<class>/*.

Pictures in root/unlabelled, in folders or not, follow those of train in the pool.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from calrun.dataset.base import UNKNOWN, Dataset, Source
from calrun.dataset.check.picture_check import Level, faulty
from calrun.dataset.source.picture import Picture
from calrun.dataset.source.streamed import Streamed
from calrun.dataset.source.transform import Transform
from calrun.text.say import warn

UNLABELLED = "unlabelled"  # folder of pictures whose class nobody knows yet
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def load(
    root: str,
    picture: Picture,
    transform: Transform,
    num_workers: int,
    check: Level = "all",
    bad_files: Literal["refuse", "skip"] = "refuse",
) -> Dataset:
    """Lists and checks the pictures, which are read again whenever a batch needs them.

    Args:
        root: the folder that holds train and test.
        picture: how a file becomes a square of bytes.
        transform: normalises pixels scaled to 0..1.
        num_workers: processes that decode; 0 decodes in this one.
        check: whether `all` pictures are decoded once before the run, a `sample` of 1,000 (and the headers of the
            others), or none (`off`).
        bad_files: `refuse` ends the run if pictures cannot be used, `skip` leaves them out.

    Raises:
        ValueError: if an option is wrong, a folder is missing or has no pictures, classes differ between splits, or a
            picture cannot be used and `bad_files` is `refuse`.
    """
    transform.check_given_for_bytes()
    if num_workers < 0:
        raise ValueError(f"dataset.num_workers must be 0 or more, came {num_workers}")
    if bad_files == "skip" and check != "all":
        raise ValueError(
            f"dataset.bad_files=skip wants dataset.check=all, came {check}; what is left out must be known"
        )
    folder = Path(root).expanduser()
    class_names = classes_of(folder / "train")
    found = usable(folder, class_names, picture, check, bad_files)
    unlabelled = [file for names in found.pop(UNLABELLED, []) for file in names]
    parts = {split: listed(folder / split, class_names, per_class) for split, per_class in found.items()}
    files, targets = parts["train"]
    parts["train"] = files + unlabelled, np.r_[targets, np.full(len(unlabelled), UNKNOWN)]
    sources = {split: Streamed(folder, *part, picture, transform, num_workers) for split, part in parts.items()}
    shape = (3, picture.size, picture.size)
    tests: dict[str, Source] = {name: source for name, source in sources.items() if name == "test"}
    return Dataset(sources["train"], tests, len(class_names), class_names, shape, sources.get("val"))


def rows(
    place: str,
    picture: Picture,
    transform: Transform,
    num_workers: int,
    check: Level = "all",
    bad_files: Literal["refuse", "skip"] = "refuse",
) -> Source:
    """Lists the pictures of a folder, in class folders or not, without their labels.

    Args:
        place: the folder.
        picture: as for `load`, and so on.

    Raises:
        ValueError: if there is no such folder, or it has no pictures or bad ones.
    """
    folder, files = usable_below(place, picture.white, check, bad_files)
    return Streamed(folder, files, np.full(len(files), UNKNOWN), picture, transform, num_workers)


def usable_below(
    place: str, white: float | None, check: Level, bad_files: Literal["refuse", "skip"] = "refuse"
) -> tuple[Path, list[str]]:
    """Returns a folder and the pictures in it and below it, without those that are left out.

    Raises:
        ValueError: if there is no such folder, or it has no pictures or bad ones.
    """
    folder, others = Path(place).expanduser(), list[Path]()
    if not folder.is_dir():
        raise ValueError(f"no folder {folder}; a folder of pictures is wanted there")
    files = pictures_in(folder, others)
    warn_of_others(folder, others)
    bad = faulty(folder, files, white, check) if files else {}
    if bad:
        refuse_or_say(folder, bad, len(files), bad_files)
    files = [file for file in files if file not in bad]
    if not files:
        raise ValueError(f"folder {folder} has no pictures that can be used ({' '.join(SUFFIXES)}); put some into it")
    return folder, files


def usable(
    folder: Path, class_names: list[str], picture: Picture, check: Level, bad_files: str
) -> dict[str, list[list[str]]]:
    """Returns the pictures of each split and class, and of no class, without those that are left out."""
    others: list[Path] = []
    splits = {split: pictures_of(folder / split, class_names, others) for split in splits_of(folder)}
    if (folder / UNLABELLED).is_dir():
        splits[UNLABELLED] = [[f"{UNLABELLED}/{name}" for name in pictures_in(folder / UNLABELLED, others)]]
    warn_of_others(folder, others)
    files = [file for per_class in splits.values() for names in per_class for file in names]
    bad = faulty(folder, files, picture.white, check)
    if bad:
        refuse_or_say(folder, bad, len(files), bad_files)
    return {
        split: [[file for file in names if file not in bad] for names in per_class]
        for split, per_class in splits.items()
    }


def warn_of_others(folder: Path, others: list[Path]) -> None:
    """Says which files below a folder are left out because of their names."""
    if others:
        first = ", ".join(map(str, others[:5]))
        warn(f"{len(others):,} files below {folder} do not end like pictures and are left out (first: {first})")


def listed(folder: Path, class_names: list[str], per_class: list[list[str]]) -> tuple[list[str], np.ndarray]:
    """Returns the pictures of a split in one list, and the class of each."""
    refuse_empty(folder, class_names, per_class)
    targets = np.repeat(np.arange(len(per_class), dtype=np.int64), [len(names) for names in per_class])
    return [file for names in per_class for file in names], targets


def splits_of(root: Path) -> list[str]:
    """Returns the names of the splits; all but train are optional, and a test set can be named by a file."""
    return ["train", *(name for name in ("test", "val") if (root / name).is_dir())]


def refuse_or_say(root: Path, bad: dict[str, str], total: int, bad_files: str) -> None:
    """Refuses a folder with pictures that cannot be used, or says which are left out."""
    first = ", ".join(f"{name} ({reason})" for name, reason in list(bad.items())[:5])
    found = f"{len(bad):,} of {total:,} pictures below {root} cannot be used (first: {first})"
    if bad_files == "refuse":
        raise ValueError(f"{found}; replace or remove them, or set dataset.bad_files=skip to leave them out")
    warn(f"{found}; they are left out")


def classes_of(folder: Path) -> list[str]:
    """Returns the names of the class folders of one split, sorted."""
    if not folder.is_dir():
        raise ValueError(
            f"no folder {folder}; wanted are train/<class>/ and test/<class>/ with pictures in dataset.root"
        )
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise ValueError(f"folder {folder} has no class folders; put the pictures of each class into {folder}/<class>/")
    refuse_unnamable("class folders", folder, names)
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


def pictures_of(folder: Path, class_names: list[str], others: list[Path]) -> list[list[str]]:
    """Returns the sorted pictures of each class of a split, relative to the folder above; adds others to `others`."""
    check_classes(folder, class_names)
    per_class = [pictures_in(folder / name, others) for name in class_names]
    refuse_empty(folder, class_names, per_class)
    return [
        [f"{folder.name}/{name}/{picture}" for picture in pictures]
        for name, pictures in zip(class_names, per_class, strict=True)
    ]


def refuse_empty(folder: Path, class_names: list[str], per_class: list[list[str]]) -> None:
    """Refuses a split in which a class has no pictures."""
    empty = [name for name, files in zip(class_names, per_class, strict=True) if not files]
    if empty:
        raise ValueError(
            f"class folder {folder / empty[0]} has no pictures that can be used ({' '.join(SUFFIXES)}); fill it or "
            f"drop the class from all splits ({len(empty)} of {len(class_names)} classes have none)"
        )


def pictures_in(folder: Path, others: list[Path]) -> list[str]:
    """Returns the pictures of a folder and its subfolders, relative to it, sorted; names with a leading dot are hidden.

    Other files are added to `others`.
    """
    found = sorted(files_below(folder))
    others += [path for path in found if path.suffix.lower() not in SUFFIXES]
    pictures = sorted(path.relative_to(folder).as_posix() for path in found if path.suffix.lower() in SUFFIXES)
    refuse_unnamable("pictures", folder, pictures)
    return pictures


def refuse_unnamable(kind: str, folder: Path, names: list[str]) -> None:
    """Refuses names that could not be written into the files of a run."""
    unnamable = [name for name in names if not is_text(name)]
    if unnamable:
        raise ValueError(
            f"{len(unnamable)} {kind} in {folder} have names that are not UTF-8 or hold a line break (first: "
            f"{', '.join(map(ascii, unnamable[:5]))}); rename them"
        )


def files_below(folder: Path) -> Iterator[Path]:
    """Yields the files of a folder and its subfolders, links followed; visits no folder twice and none above it."""
    seen = set(map(str, Path(os.path.realpath(folder)).parents))
    for parent, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        real = os.path.realpath(parent)
        folders[:] = [] if real in seen else [name for name in folders if name[0] != "."]
        if real not in seen:
            yield from (Path(parent, name) for name in names if name[0] != ".")
        seen.add(real)


def refuse(error: OSError) -> None:
    """Ends a walk at a folder that cannot be listed: its pictures would be missing without a word."""
    raise error


def is_text(name: str) -> bool:
    """Tells whether a file's name is one line of text."""
    return name.isprintable() or not any(0xDC80 <= ord(sign) <= 0xDCFF or sign in "\n\r\0" for sign in name)
