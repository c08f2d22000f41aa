"""What a network says about each pixel of pictures: a PNG of classes for each, beside the table.

Dimension key: N rows of a chunk, C classes, H W height and width that the network sees.
"""

import shutil
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image
from torch import Tensor

from calrun.dataset.base import Source
from calrun.look.predict import LOGITS, Seen
from calrun.network.load import Trained
from calrun.task.base import Task

ENDING = ".png"
SHOWN = 5


def masks_folder(out: Path) -> Path:
    """Returns the folder of the masks that belong to a table."""
    return out.with_name(f"{out.stem}-masks")


def has_masks(task: Task) -> bool:
    """Tells whether a task's rows have a class in each of their parts."""
    return type(task).classes is not Task.classes


class Masks:
    """Writes masks into a folder beside the one that they will lie in, which they take the place of at the end.

    Args:
        folder: where they will lie, `masks/ITEM.png`: grey, one byte for each pixel that the network sees, which is the
            number of its class from 0.
        names: of the items.

    Raises:
        ValueError: if two items would have one mask, or the folder holds anything else.
    """

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.folder, self.part = folder, folder.with_name(f".{folder.name}.part")
        self.places = [PurePosixPath(name).with_suffix(ENDING) for name in names]
        refuse_alike(names, self.places)
        refuse_others(folder)

    def __enter__(self) -> "Masks":
        shutil.rmtree(self.part, ignore_errors=True)
        self.part.mkdir(parents=True)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.part.rename(self.folder)
        shutil.rmtree(self.part, ignore_errors=True)

    def written(self, task: Task, found: Trained, source: Source, rows: np.ndarray) -> Tensor:
        """Returns the probability of each class for each row (N, C), once its mask is written."""

        def classes(seen: Seen) -> Tensor:
            of_pixels = task.classes(seen.output.logits_BC)
            assert of_pixels is not None
            return of_pixels

        seen = found.predictor(found.net, source, rows, {**LOGITS, "classes": classes})
        self.write(rows, seen["classes"].numpy())
        return seen["logits"].double().softmax(dim=1)

    def write(self, rows: np.ndarray, classes_NHW: np.ndarray) -> None:
        """Writes the masks of some rows."""
        for row, classes_HW in zip(rows.tolist(), classes_NHW, strict=True):
            path = self.part / self.places[row]
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(classes_HW).save(path)


def refuse_alike(names: list[str], places: list[PurePosixPath]) -> None:
    """Raises a ValueError if two items differ in their endings alone."""
    first = dict(zip(reversed(places), reversed(names), strict=True))
    alike = [(first[place], name) for place, name in zip(places, names, strict=True) if first[place] != name]
    if alike:
        said = ", ".join(" and ".join(pair) for pair in alike[:SHOWN])
        raise ValueError(f"{len(alike)} pictures would have another's mask ({said}); give them different names")


def refuse_others(folder: Path) -> None:
    """Raises a ValueError if a folder that masks take the place of holds anything else."""
    others = sorted(str(path) for path in folder.rglob("*") if path.is_file() and path.suffix != ENDING)
    if folder.is_file() or others:
        what = f"holds other things than masks ({others[:SHOWN]})" if others else "is a file"
        raise ValueError(f"masks go to {folder}, which {what}; choose another --out")
