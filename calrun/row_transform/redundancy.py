"""A redundant training set. Beck et al. 2021, Sec. 4.4 and App. D.

Dimension key: N rows of the training set, H W height and width.
"""

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from calrun.dataset.base import Source
from calrun.dataset.source.resident import Resident
from calrun.dataset.source.subset import Subset
from calrun.rng import numpy_rng
from calrun.row_transform.base import RowTransform
from calrun.row_transform.classes import class_of_rows
from calrun.text.legal import at_least, one_of

COPIES = ("exact", "shifted")
NEAR, FAR = 5, 0.5  # the notebook's shifts: pixels of every second copy, and the share of a side of the others
ROWS_AT_ONCE = 4096  # pictures that are shifted together


class Redundancy(RowTransform):
    """Puts copies of other rows in the place of most rows; the set keeps its size and its number of rows of each class.

    Some rows stay. Of the others, in each class, one in `factor` stays too, and the places of the rest are taken by
    copies of those, in turn; which rows stay, `seed` decides. A copy bears the item id of its original.

    Differs from the paper: its rows of round 1 are drawn beside the unique ones and are never copied; here they are
    drawn from the whole set.

    Args:
        factor: how often a copied row stands in the set; 2, 5, 10 and 20 in the paper, 1 copies nothing.
        unique: rows that stay and are not copied; 5,000 in the paper.
        copies: `exact` ones (Sec. 4.4), or `shifted`: pictures moved by up to 5 pixels, every second one by up to half
            of each side, with black borders (App. D and its notebook).
        seed: of the choice of rows and of the shifts, the same for all seeds of runs.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(self, factor: int, unique: int, copies: Literal["exact", "shifted"], seed: int) -> None:
        one_of("row_transform.copies", copies, COPIES)
        at_least(1, "row_transform", factor=factor)
        at_least(0, "row_transform", unique=unique, seed=seed)
        self.factor, self.unique, self.copies, self.seed = factor, unique, copies, seed

    def __call__(self, train: Source, num_classes: int) -> Source:
        """Returns the redundant set.

        Raises:
            ValueError: if a row has no class, there are fewer rows than are to be unique, or those to be shifted are no
                pictures in memory.
        """
        targets_N = class_of_rows(train, "redundancy")
        if self.unique > len(targets_N):
            raise ValueError(
                f"row_transform=redundancy wants {self.unique:,} unique rows, but the training set has "
                f"{len(targets_N):,}; take a smaller row_transform.unique"
            )
        rng = numpy_rng(self.seed, 0, "redundancy")
        rows_N = redundant_rows(targets_N, self.factor, rng.permutation(len(targets_N))[self.unique :])
        return Subset(train, rows_N) if self.copies == "exact" else shifted_copies(train, rows_N, rng)


def redundant_rows(targets_N: np.ndarray, factor: int, others: np.ndarray) -> np.ndarray:
    """Returns for each place the row that stands there (N,): its own, or one of its class that is copied.

    Args:
        targets_N: classes.
        factor: how often a copied row stands in the set.
        others: the places that are not unique; of each class the first ones stay, the last copy may be left out.
    """
    rows_N = np.arange(len(targets_N))
    for c in np.unique(targets_N[others]):
        places = others[targets_N[others] == c]
        kept = places[: -(-len(places) // factor)]
        rows_N[places] = np.resize(kept, len(places))
    return rows_N


def shifted_copies(train: Source, rows_N: np.ndarray, rng: np.random.Generator) -> Resident:
    """Returns the rows with each copy moved by a distance of its own.

    Raises:
        ValueError: if they are no pictures in memory.
    """
    if not isinstance(train, Resident) or train.inputs.ndim != 4:
        raise ValueError(
            f"row_transform.copies=shifted wants pictures in memory, but {type(train).__name__} holds others; take "
            "row_transform.copies=exact"
        )
    inputs = train.inputs[torch.from_numpy(rows_N)]
    copies = np.flatnonzero(rows_N != np.arange(len(rows_N)))
    size = min(inputs.shape[-2:])
    most_N = np.where(np.arange(len(copies)) % 2, round(FAR * size), min(NEAR, size))
    moves_N2 = rng.integers(-most_N[:, None], most_N[:, None] + 1, size=(len(copies), 2))
    for start in range(0, len(copies), ROWS_AT_ONCE):
        here = torch.from_numpy(copies[start : start + ROWS_AT_ONCE])
        inputs[here] = shifted(inputs[here], torch.from_numpy(moves_N2[start : start + ROWS_AT_ONCE]))
    ids = [train.item_id(row) for row in rows_N.tolist()]
    own = train.targets[rows_N]
    return Resident(inputs, own, train.transform, ids, train.steps_per_block, train.known)


def shifted(pictures: Tensor, moves_N2: Tensor) -> Tensor:
    """Returns pictures (N, channels, H, W) moved down and to the right by whole pixels; what comes in is 0."""
    height, width = pictures.shape[-2:]
    border = int(moves_N2.abs().max()) if len(moves_N2) else 0
    padded = F.pad(pictures, (border, border, border, border))
    at_H = border + torch.arange(height) - moves_N2[:, :1]
    at_W = border + torch.arange(width) - moves_N2[:, 1:]
    rows_N = torch.arange(len(pictures))[:, None, None]
    return padded.permute(0, 2, 3, 1)[rows_N, at_H[:, :, None], at_W[:, None, :]].permute(0, 3, 1, 2)
