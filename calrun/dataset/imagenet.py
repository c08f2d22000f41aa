"""ImageNet (ILSVRC 2012, Russakovsky et al. 2015): 1,281,167 pictures for training, 50,000 for the test, 1,000 classes.

As published: train/<wnid>/*.JPEG, and val/ with its 50,000 files in one folder beside the development kit's answers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from calrun.dataset.base import Dataset
from calrun.dataset.check.picture_check import Level
from calrun.dataset.image_folder import classes_of
from calrun.dataset.read.folder_index import indexed
from calrun.dataset.read.ground_truth import answers_of
from calrun.dataset.read.picture_set import PictureReader, Split
from calrun.dataset.read.picture_set import rows as rows
from calrun.dataset.source.picture import Picture
from calrun.dataset.source.transform import Transform

SHOWN = 5  # names that an error shows
USUAL = (  # where the answers of a flat val/ lie, relative to the root
    "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt",
    "LOC_val_solution.csv",
)


def load(
    root: str, ground_truth_file: str | None, picture: Picture, transform: Transform, num_workers: int, check: Level
) -> Dataset:
    """Lists the pictures (once: see `calrun.dataset.read.folder_index`), which are read whenever a batch needs them.

    Args:
        root: the folder that holds train/ and val/.
        ground_truth_file: says the class of each file of a flat val/: the development kit's text (with meta.mat beside
            it), or a .csv or .txt with a file's name and its wnid in each line; `None` looks in the usual places.
        picture: how a file becomes a square of bytes.
        transform: normalises pixels scaled to 0..1.
        num_workers: processes that decode; 0 decodes in this one.
        check: how many pictures are decoded once before the run: all, sample, off.

    Raises:
        ValueError: if a folder, a class or an answer is missing, or an option is wrong.
    """
    folder = Path(root).expanduser()
    reader = PictureReader(picture, transform, num_workers, check)
    class_names = train_classes(folder)
    train = of_classes("train", indexed(folder / "train", class_names))
    return reader.dataset(
        folder, {"train": train, "test": validation(folder, class_names, ground_truth_file)}, class_names
    )


def train_classes(folder: Path) -> list[str]:
    """Returns the names of the class folders of train/."""
    if not (folder / "train").is_dir():
        raise ValueError(
            f"no folder {folder / 'train'}; unpack ILSVRC 2012 (https://image-net.org) as train/<wnid>/*.JPEG and "
            f"val/*.JPEG into {folder}, or set dataset.root to where they are"
        )
    return classes_of(folder / "train")


def of_classes(split: str, files: Mapping[str, Sequence[str]]) -> Split:
    """Returns the pictures of class folders in one list, and the class of each."""
    targets = np.repeat(np.arange(len(files)), [len(own) for own in files.values()])
    return [f"{split}/{name}/{file}" for name, own in files.items() for file in own], targets


def validation(folder: Path, class_names: list[str], ground_truth_file: str | None) -> Split:
    """Returns the pictures of val/, in class folders or flat, and the class of each.

    Raises:
        ValueError: if there are none, or their classes are not known.
    """
    val = folder / "val"
    if not val.is_dir():
        raise ValueError(f"no folder {val}; the 50,000 pictures of ILSVRC 2012's validation set are wanted there")
    if any(entry.is_dir() and not entry.name.startswith(".") for entry in val.iterdir()):
        found = classes_of(val)
        missing, unknown = sorted(set(class_names) - set(found)), sorted(set(found) - set(class_names))
        if missing or unknown:
            raise ValueError(
                f"class folders of {val} differ from those of train: {len(missing)} missing (first: "
                f"{missing[:SHOWN]}), {len(unknown)} unknown (first: {unknown[:SHOWN]}); both need the same"
            )
        return of_classes("val", indexed(val, class_names))
    files = indexed(folder, ["val"])["val"]
    if not files:
        raise ValueError(f"folder {val} has no pictures; put ILSVRC 2012's validation set there")
    wnids = answers_of(answer_file(folder, ground_truth_file), files)
    numbers = {name: number for number, name in enumerate(class_names)}
    strangers = sorted({wnid for wnid in wnids if wnid not in numbers})
    if strangers:
        raise ValueError(
            f"{len(strangers)} classes of {val} have no folder in train (first: {strangers[:SHOWN]}); unpack them too"
        )
    return [f"val/{file}" for file in files], np.array([numbers[wnid] for wnid in wnids])


def answer_file(folder: Path, ground_truth_file: str | None) -> Path:
    """Returns the file that says the class of each picture of a flat val/."""
    named = [Path(ground_truth_file).expanduser()] if ground_truth_file else [folder / name for name in USUAL]
    found = [path for path in named if path.is_file()]
    if not found:
        raise ValueError(
            f"{folder / 'val'} has no class folders, and there is no {' or '.join(map(str, named))}, which would say "
            "the class of each picture; unpack the development kit (ILSVRC2012_devkit_t12.tar.gz) there, or set "
            "dataset.ground_truth_file"
        )
    return found[0]
