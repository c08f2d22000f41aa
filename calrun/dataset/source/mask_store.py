"""The masks of a split at the size of evaluation, decoded once and kept on disk, where memory may leave them.

Dimension key: N pairs of a picture and its mask, H W height and width that evaluation sees.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from calrun.dataset.base import UNKNOWN
from calrun.dataset.check.picture_check import stat_of
from calrun.dataset.check.pixels import orientation
from calrun.dataset.check.verdicts import cache_folder
from calrun.dataset.read.mask_file import NOBODYS, MaskCode
from calrun.dataset.read.picture_file import SIDEWAYS
from calrun.dataset.source.masked import Pairs
from calrun.dataset.source.paired import Paired
from calrun.machine.files import replace_file
from calrun.machine.process import num_cpus

VERSION = 1  # of the way in which masks are brought to a size: another number discards what is kept
NARROW = 127  # the largest class that a signed byte holds
SHOWN = 5  # files that an error names


def masks_of(pairs: Pairs, code: MaskCode, picture: Paired) -> np.ndarray:
    """Returns the classes of pixels, int8 (N, H, W) or int16 beyond 127 classes, UNKNOWN where there is none.

    Raises:
        ValueError: if masks cannot be used, naming the first.
    """
    path = cache_folder() / f"masks-{key_of(pairs, code, picture)}.npy"
    try:
        kept: np.ndarray = np.load(path, mmap_mode="r")
        return kept
    except (OSError, ValueError, RuntimeError):  # never made, damaged, or no place to keep it
        pass
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, partial(write, pairs=pairs, code=code, picture=picture), durable=False)
        kept = np.load(path, mmap_mode="r")
        return kept
    except (OSError, RuntimeError):
        return filled(np.empty(shape_of(pairs, picture), kind_of(code)), pairs, code, picture)


def write(path: Path, pairs: Pairs, code: MaskCode, picture: Paired) -> None:
    """Writes the masks into a file as they are decoded."""
    masks = np.lib.format.open_memmap(path, "w+", kind_of(code), shape_of(pairs, picture))
    filled(masks, pairs, code, picture).flush()  # type: ignore[attr-defined]


def filled(masks: np.ndarray, pairs: Pairs, code: MaskCode, picture: Paired) -> np.ndarray:
    """Returns an array once each row holds its mask; files are read in threads."""

    def fault(row: int) -> str | None:
        try:
            refuse_unequal(pairs.root / pairs.pictures[row], pairs.root / pairs.masks[row])
            classes = picture.read_mask(pairs.root / pairs.masks[row], code).numpy()
        except (ValueError, OSError) as error:
            return f"{pairs.masks[row]} ({' '.join(str(error).split())})"
        masks[row] = np.where(classes == NOBODYS, UNKNOWN, classes.astype(masks.dtype))
        return None

    with ThreadPoolExecutor(num_cpus()) as pool:
        refuse_bad(pairs.root, [found for found in pool.map(fault, range(len(masks))) if found], len(masks))
    return masks


def refuse_bad(root: Path, faults: Sequence[str], total: int) -> None:
    """Raises a ValueError if masks cannot be used."""
    if faults:
        raise ValueError(
            f"{len(faults):,} of {total:,} masks below {root} cannot be used (first: {', '.join(faults[:SHOWN])}); "
            "correct these files, or what dataset.mask says about them"
        )


def refuse_unequal(picture: Path, mask: Path) -> None:
    """Raises a ValueError, with the reason alone, if a mask is not as large as its picture."""
    with Image.open(picture) as first, Image.open(mask) as second:
        size = first.size[::-1] if orientation(first) in SIDEWAYS else first.size
        if size != second.size:
            raise ValueError(f"it has {second.size[0]} x {second.size[1]} pixels, its picture {size[0]} x {size[1]}")


def kind_of(code: MaskCode) -> np.dtype:
    """Returns the narrowest kind of number that holds every class and UNKNOWN."""
    largest = max(c for c in code.classes.values() if c != NOBODYS)
    return np.dtype(np.int8 if largest <= NARROW else np.int16)


def shape_of(pairs: Pairs, picture: Paired) -> tuple[int, int, int]:
    """Returns (N, H, W)."""
    height, width = picture.size
    return len(pairs.masks), height, width


def key_of(pairs: Pairs, code: MaskCode, picture: Paired) -> str:
    """Returns what tells these masks from others: their names, sizes and times, and how they are read."""
    files = [[name, *stat_of(pairs.root / name)] for name in (*pairs.masks, *pairs.pictures)]
    asked = [VERSION, os.path.realpath(pairs.root), files]
    meant = [sorted(code.classes.items()), code.is_colours, list(picture.size)]
    return hashlib.sha256(json.dumps([asked, meant]).encode(errors="surrogateescape")).hexdigest()[:16]
