"""Labels that are names, true and false, or numbers from 1: each becomes a class number, and its name is kept.

Dimension key: N rows, C classes.
"""

from collections.abc import Mapping

import numpy as np

from calrun.dataset.base import UNKNOWN
from calrun.dataset.check.labels import label_vector


def numbered(labels: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[str] | None]:
    """Returns class numbers (N,) for each split, and what the labels call the classes.

    Names are numbered in their sorted order among the training rows, numbers from 1 on in theirs; a training row whose
    label is empty or -1 has none yet. The names are `None` where labels are class numbers already.

    Args:
        labels: of each split, train among them: text, booleans or integers, (N,) or (N, 1).

    Raises:
        ValueError: if splits hold labels of different kinds, a label is of no training row, or they are something else.
    """
    kinds = {split: "text" if found.dtype.kind in "US" else found.dtype.kind for split, found in labels.items()}
    if kinds["train"] in ("text", "b"):
        return by_name(labels, kinds)
    vectors = {split: label_vector(split, found) for split, found in labels.items()}
    seen = np.setdiff1d(vectors["train"], [UNKNOWN])
    from_one = len(seen) > 1 and seen.tolist() == list(range(1, len(seen) + 1))
    if from_one and not any((found == 0).any() for found in vectors.values()):
        return {split: np.where(found < 0, found, found - 1) for split, found in vectors.items()}, [*map(str, seen)]
    return vectors, None


def by_name(labels: Mapping[str, np.ndarray], kinds: Mapping[str, str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Returns the place of each label among the sorted names of the training rows, and these."""
    other = next((split for split, kind in kinds.items() if kind != kinds["train"]), None)
    if other is not None:
        words = {"text": "text", "b": "true or false"}
        raise ValueError(
            f"split train has labels that are {words[kinds['train']]}, but split {other} has labels of type "
            f"{labels[other].dtype}; bring them to one kind"
        )
    texts = {split: as_text(split, found) for split, found in labels.items()}
    names = np.setdiff1d(texts["train"], [""])
    for split, found in texts.items():
        unseen = np.setdiff1d(found, [*names, *([""] if split == "train" else [])])
        if len(unseen):
            raise ValueError(
                f"split {split} has {len(unseen)} labels that no training row has (first: {unseen[:5].tolist()}); "
                "leave these rows out or give the class training rows"
            )
    numbers = {split: np.where(found == "", UNKNOWN, np.searchsorted(names, found)) for split, found in texts.items()}
    return numbers, names.tolist()


def as_text(split: str, labels: np.ndarray) -> np.ndarray:
    """Returns labels as text (N,); an empty one of train is not known yet.

    Raises:
        ValueError: if they have another shape, or one of a split other than train is empty.
    """
    if labels.ndim != 1 and labels.shape[1:] != (1,):
        raise ValueError(f"split {split} has labels of shape {labels.shape}; one name per row is wanted, shape (N,)")
    flat = labels.reshape(-1)
    texts = np.char.decode(flat, "utf-8", "replace") if flat.dtype.kind == "S" else flat.astype(str)
    texts = np.char.strip(texts)
    empty = np.flatnonzero(texts == "")
    if len(empty) and split != "train":
        raise ValueError(
            f"split {split} has {len(empty)} labels that are empty (first: {empty[:5].tolist()}); leave these rows out"
        )
    return texts
