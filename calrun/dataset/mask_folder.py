"""The user's own pictures and masks of equal names: root/train/pictures and root/train/masks, likewise test and val.

Without such folders, root/pictures and root/masks are the training set, of which row_transform=split takes a test set.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from calrun.dataset.base import UNKNOWN, Dataset, Source
from calrun.dataset.check.picture_check import Level, faulty
from calrun.dataset.image_folder import pictures_in, refuse_or_say, usable_below, warn_of_others
from calrun.dataset.read.mask_file import MaskCode
from calrun.dataset.source.mask_store import masks_of
from calrun.dataset.source.masked import Masked, Pairs
from calrun.dataset.source.paired import Paired
from calrun.dataset.source.streamed import Streamed
from calrun.dataset.source.transform import Transform

PICTURES, MASKS = "pictures", "masks"
SPLITS = ("train", "test", "val")
SHOWN = 5  # names that an error shows


def load(
    root: str,
    mask: MaskCode,
    picture: Paired,
    transform: Transform,
    num_workers: int,
    check: Level = "all",
) -> Dataset:
    """Pairs pictures and masks and checks them; files are read again whenever a batch needs them.

    Args:
        root: the folder that holds train and test, or pictures and masks.
        mask: what the pixels of masks mean.
        picture: how a picture and its mask become bytes of one size.
        transform: normalises pixels scaled to 0..1.
        num_workers: processes that decode; 0 decodes in this one.
        check: whether `all` pictures are decoded once before the run, a `sample` of 1,000 (and the headers of the
            others), or none (`off`); masks are all decoded once.

    Raises:
        ValueError: if an option is wrong, a folder is missing, or a picture or mask cannot be used or has no partner.
    """
    transform.check_given_for_bytes()
    folder = Path(root).expanduser()
    parts = {split: pairs_in(folder, *folders) for split, folders in folders_of(folder).items()}
    return masked_dataset(parts, mask, picture, transform, num_workers, check)


def masked_dataset(
    parts: dict[str, Pairs], mask: MaskCode, picture: Paired, transform: Transform, num_workers: int, check: Level
) -> Dataset:
    """Returns the data set of pairs by split, once all their files are known to be sound.

    Raises:
        ValueError: if a picture or mask cannot be used, or the number of processes is below 0.
    """
    if num_workers < 0:
        raise ValueError(f"dataset.num_workers must be 0 or more, came {num_workers}")
    folder = parts["train"].root
    files = [file for pairs in parts.values() for file in pairs.pictures]
    if bad := faulty(folder, files, picture.white, check):
        refuse_or_say(folder, bad, len(files), "refuse")
    sources: dict[str, Source] = {
        split: Masked(pairs, masks_of(pairs, mask, picture), mask, picture, transform, num_workers)
        for split, pairs in parts.items()
    }
    refuse_unseen(sources["train"].targets, mask.names)
    shape = (3, *picture.size)
    tests = {name: source for name, source in sources.items() if name == "test"}
    return Dataset(sources["train"], tests, len(mask.names), list(mask.names), shape, sources.get("val"))


def rows(place: str, picture: Paired, transform: Transform, num_workers: int, check: Level = "all") -> Source:
    """Lists the pictures of a folder and those below it, without masks.

    Args:
        place: the folder.
        picture: as for `load`, and so on.

    Raises:
        ValueError: if there is no such folder, or it has no pictures or bad ones.
    """
    folder, files = usable_below(place, picture.white, check)
    unknown = np.broadcast_to(np.int8(UNKNOWN), (len(files), *picture.size))  # takes no memory
    return Streamed(folder, files, unknown, picture, transform, num_workers)


def folders_of(root: Path) -> dict[str, tuple[str, str]]:
    """Returns the folders of pictures and of masks of each split, relative to the root.

    Raises:
        ValueError: if there are none, or training pictures lie in two places.
    """
    splits = {split: (f"{split}/{PICTURES}", f"{split}/{MASKS}") for split in SPLITS if (root / split).is_dir()}
    whole = {"train": (PICTURES, MASKS)} if (root / PICTURES).is_dir() else {}
    if "train" in splits and whole:
        raise ValueError(f"{root} has training pictures in train and in {PICTURES}; leave one of both")
    found = splits | whole
    if "train" not in found:
        raise ValueError(
            f"no folder {root}/train/{PICTURES} and no {root}/{PICTURES}; wanted are train/{PICTURES}, train/{MASKS}, "
            f"test/{PICTURES} and test/{MASKS}, or {PICTURES} and {MASKS}, in dataset.root"
        )
    return found


def pairs_in(root: Path, pictures: str, masks: str) -> Pairs:
    """Returns the pictures and masks of two folders, each pair of one name but for the ending.

    Raises:
        ValueError: if a folder is missing or empty, or a file has no partner or two.
    """
    first, second = (by_stem(root, folder) for folder in (pictures, masks))
    for found, other, kind in ((first, second, f"pictures have no mask in {masks}"),
                               (second, first, f"masks have no picture in {pictures}")):  # fmt: skip
        alone = sorted(found.keys() - other.keys())
        if alone:
            raise ValueError(
                f"{len(alone):,} {kind} below {root} (first: {', '.join(found[stem] for stem in alone[:SHOWN])}); give "
                "each picture a mask of the same name, whatever the ending"
            )
    stems = sorted(first)
    return Pairs(root, [first[stem] for stem in stems], [second[stem] for stem in stems])


def by_stem(root: Path, folder: str) -> dict[str, str]:
    """Returns the pictures of a folder, relative to the root, by their names in it without the ending."""
    if not (root / folder).is_dir():
        raise ValueError(f"no folder {root / folder}; each split wants its {PICTURES} and its {MASKS}")
    others, found = list[Path](), dict[str, str]()
    for name in pictures_in(root / folder, others):
        stem = PurePosixPath(name).with_suffix("").as_posix()
        if stem in found:
            raise ValueError(f"{found[stem]} and {folder}/{name} below {root} differ in their endings alone; keep one")
        found[stem] = f"{folder}/{name}"
    warn_of_others(root / folder, others)
    if not found:
        raise ValueError(f"folder {root / folder} has no pictures; put some into it")
    return found


def refuse_unseen(targets: np.ndarray, class_names: Sequence[str]) -> None:
    """Raises a ValueError if a class has no pixel in any training mask."""
    seen = set[int]().union(*(np.unique(mask).tolist() for mask in targets))
    unseen = [name for c, name in enumerate(class_names) if c not in seen]
    if unseen:
        raise ValueError(
            f"{len(unseen)} of {len(class_names)} classes have no pixel in any training mask (first: "
            f"{unseen[:SHOWN]}); leave them out of dataset.mask.classes, or see whether masks hold other numbers"
        )
