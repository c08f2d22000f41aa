"""Labels that somebody writes into a file, for digits whose own labels are taken away."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from calrun.dataset.base import Dataset, Source
from calrun.dataset.digits import load as load_digits
from calrun.oracle.base import Oracle
from calrun.oracle.wanted import LabelsWanted


def load(**options: Any) -> Dataset:
    data = load_digits(**options)
    data.train.targets = np.full(len(data.train), -1)
    return data


class LabelFile(Oracle):
    """Reads `item,label` lines; writes those that are missing beside them.

    Args:
        path: where labels are looked for.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def begin(self, train: Source, class_names: list[str], folder: Path) -> None:
        self.item_id, self.class_names, self.folder = train.item_id, class_names, folder

    def answer(self, rows: np.ndarray, number: int) -> np.ndarray:
        with self.path.open() as file:
            known = dict(csv.reader(file))
        items = [self.item_id(row) for row in rows.tolist()]
        missing = [item for item in items if item not in known]
        if missing:
            wanted = self.folder / f"wanted-{number}.txt"
            wanted.write_text("\n".join(missing) + "\n")
            raise LabelsWanted(
                number, f"{len(missing)} of {len(items)} are missing; add those of {wanted} to {self.path}"
            )
        return np.array([self.class_names.index(known[item]) for item in items])
