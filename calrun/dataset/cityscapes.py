"""Cityscapes. Cordts et al. 2016, "The Cityscapes Dataset for Semantic Urban Scene Understanding", 19 classes.

The official folders leftImg8bit and gtFine, as they are once unpacked. Its test set has no labels: as in every
comparison, its validation set of 500 pictures is the test set here.
"""

from pathlib import Path

from calrun.dataset.base import Dataset
from calrun.dataset.check.picture_check import Level
from calrun.dataset.image_folder import pictures_in
from calrun.dataset.mask_folder import masked_dataset
from calrun.dataset.mask_folder import rows as rows
from calrun.dataset.read.mask_file import NOBODYS, MaskCode
from calrun.dataset.source.masked import Pairs
from calrun.dataset.source.paired import Paired
from calrun.dataset.source.transform import Transform

CLASSES = {  # by name, the number in files *_labelIds.png; the order is that of the 19 classes
    "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17, "traffic light": 19,
    "traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23, "person": 24, "rider": 25, "car": 26, "truck": 27,
    "bus": 28, "train": 31, "motorcycle": 32, "bicycle": 33,
}  # fmt: skip
NUM_LABELS = 34  # numbers in the files; those of none of the 19 classes are nobody's, and so is 255
SPLITS = {"train": "train", "test": "val"}  # official folders
PICTURE, MASK = "_leftImg8bit.png", "_gtFine_labelIds.png"  # endings of files that belong together
SHOWN = 5  # names that an error shows


def load(root: str, picture: Paired, transform: Transform, num_workers: int, check: Level = "all") -> Dataset:
    """Pairs the pictures of the official folders with their masks and checks both.

    Args:
        root: the folder that holds leftImg8bit and gtFine.
        picture: how a picture and its mask become bytes of one size.
        transform: normalises pixels scaled to 0..1.
        num_workers: processes that decode; 0 decodes in this one.
        check: as for dataset=mask_folder.

    Raises:
        ValueError: if a folder is missing, a picture has no mask, or a file cannot be used.
    """
    transform.check_given_for_bytes()
    folder = Path(root).expanduser()
    parts = {split: pairs_of(folder, official) for split, official in SPLITS.items()}
    return masked_dataset(parts, label_ids(), picture, transform, num_workers, check)


def label_ids() -> MaskCode:
    """Returns the class of each label number: that of the 19 classes, or nobody's."""
    numbers = {number: NOBODYS for number in (*range(NUM_LABELS), NOBODYS)}
    classes = numbers | {number: c for c, number in enumerate(CLASSES.values())}
    return MaskCode(tuple(CLASSES), classes, is_colours=False)


def pairs_of(root: Path, official: str) -> Pairs:
    """Returns the pictures and masks of one of the official splits.

    Raises:
        ValueError: if its folder is missing or empty, or a picture has no mask.
    """
    folder = root / "leftImg8bit" / official
    if not folder.is_dir():
        raise ValueError(
            f"no folder {folder}; unpack leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip into dataset.root "
            "(they are to be had at cityscapes-dataset.com for members)"
        )
    names = [name.removesuffix(PICTURE) for name in pictures_in(folder, []) if name.endswith(PICTURE)]
    if not names:
        raise ValueError(f"folder {folder} has no pictures *{PICTURE}; unpack leftImg8bit_trainvaltest.zip anew")
    masks = [f"gtFine/{official}/{name}{MASK}" for name in names]
    lacking = [mask for mask in masks if not (root / mask).is_file()]
    if lacking:
        raise ValueError(
            f"{len(lacking):,} of {len(masks):,} masks are missing below {root} (first: {', '.join(lacking[:SHOWN])}); "
            "unpack gtFine_trainvaltest.zip there"
        )
    return Pairs(root, [f"leftImg8bit/{official}/{name}{PICTURE}" for name in names], masks)
