"""Checks of labels before a run starts: each row needs a class number, and errors name what users bring instead.

Dimension key: N rows, C classes.
"""

from collections.abc import Iterable

import numpy as np

from calrun.dataset.base import UNKNOWN


def check_targets(split: str, labels: np.ndarray, num_inputs: int, num_classes: int) -> np.ndarray:
    """Returns `labels` as int64 (N,) if they are integers 0..C-1, one per input; train must show every class.

    A label of train may be -1: nobody knows it yet.

    Raises:
        ValueError: otherwise, with the first bad rows.
    """
    targets_N = label_vector(split, labels)
    if len(targets_N) != num_inputs:
        raise ValueError(
            f"split {split} has {num_inputs} inputs but {len(targets_N)} labels; there must be one label each"
        )
    least = UNKNOWN if split == "train" and not _is_minus_plus(targets_N) else 0
    outside = np.flatnonzero((targets_N < least) | (targets_N >= num_classes))
    if len(outside):
        raise ValueError(
            f"split {split} has {len(outside)} labels outside 0..{num_classes - 1} (first: rows {outside[:5].tolist()} "
            f"with {targets_N[outside[:5]].tolist()}); {_outside_advice(targets_N, num_classes)}"
        )
    absent = np.setdiff1d(np.arange(num_classes), targets_N)
    if split == "train" and len(absent):
        raise ValueError(
            f"the data set declares {num_classes} classes, but {len(absent)} of them have no training row "
            f"(first: {absent[:5].tolist()}); {_absent_advice(absent)}"
        )
    return targets_N


def count_classes(splits: dict[str, np.ndarray]) -> int:
    """Returns C, the largest label of all splits plus one.

    Raises:
        ValueError: if there are no training rows, or fewer than classes: then the labels are not class numbers.
    """
    if not len(splits["train"]):
        raise ValueError("split train has no rows; give it some")
    largest = {name: int(labels.max(initial=0)) for name, labels in splits.items()}
    name = max(largest, key=lambda each: largest[each])
    if largest[name] >= len(splits["train"]):
        raise ValueError(
            f"split {name} has labels up to {largest[name]}, but there are only {len(splits['train'])} training rows; "
            "number the classes 0..C-1 without gaps, each with a training row"
        )
    stray = {
        each: unseen
        for each, labels in splits.items()
        if len(unseen := np.setdiff1d(labels[labels >= 0], splits["train"]))
    }
    if stray and largest[name] > largest["train"]:
        raise ValueError(
            f"split {name} has labels that no training row has ({stray[name][:5].tolist()}); leave its rows of these "
            "classes out, or give the classes training rows"
        )
    return largest[name] + 1


def label_vector(split: str, labels: np.ndarray) -> np.ndarray:
    """Returns integer labels (N,) or (N, 1) as int64 (N,).

    Raises:
        ValueError: if they are something else, saying what they look like and how to make class numbers of them.
    """
    if labels.ndim != 1 and labels.shape[1:] != (1,):
        raise ValueError(
            f"split {split} has labels of shape {labels.shape}; one class number per row is wanted, shape (N,)"
            f"{_shape_advice(labels)}"
        )
    labels_N = labels.reshape(-1)
    if labels.dtype.kind not in "iu":
        raise ValueError(f"split {split} has labels {_kind_advice(labels_N)}")
    if labels.dtype.kind == "u" and len(labels_N) and labels_N.max() > np.iinfo(np.int64).max:
        raise ValueError(f"split {split} has labels up to {labels_N.max()}; number the classes 0..C-1")
    return labels_N.astype(np.int64)


def named(classes: Iterable[object]) -> list[str]:
    """Returns the names of the classes as text.

    Raises:
        ValueError: if two classes share a name: they could not be told apart in a report.
    """
    names = [each.decode(errors="replace") if isinstance(each, bytes) else str(each) for each in classes]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise ValueError(f"{len(twice)} class names stand for several classes (first: {twice[:5]}); rename them")
    return names


def _is_minus_plus(targets_N: np.ndarray) -> bool:
    """Tells whether labels are -1 and 1, as two classes are called in some books."""
    return set(np.unique(targets_N).tolist()) == {-1, 1}


def _outside_advice(targets_N: np.ndarray, num_classes: int) -> str:
    values = set(np.unique(targets_N).tolist())
    if _is_minus_plus(targets_N):
        return "write 0 for -1 in every split"
    if min(values) == 1 and max(values) == num_classes:
        return "they seem to be numbered from 1: subtract 1 from the labels of every split"
    if min(values) == -1:
        return "leave out the rows whose label is -1 if that means none, and number the classes from 0"
    return f"the data set declares {num_classes} classes"


def _absent_advice(absent: np.ndarray) -> str:
    if absent.tolist() == [0]:
        return "if they are numbered from 1, subtract 1 from the labels of every split"
    return "number the classes 0..C-1 without gaps and let C be their count"


def _shape_advice(labels: np.ndarray) -> str:
    if labels.ndim != 2 or labels.dtype.kind not in "biuf":
        return ""
    if labels.shape[0] == 1:
        return "; save y.reshape(-1)"
    if not np.isin(labels, (0, 1)).all():
        return ""
    if (labels.sum(axis=1) == 1).all():
        return "; these are one-hot: save y.argmax(axis=1)"
    return "; rows of no class or of several are not supported"


def _kind_advice(labels_N: np.ndarray) -> str:
    first = labels_N[:3].tolist()
    if labels_N.dtype.kind == "b":
        return "that are true or false; save whole numbers, y.astype(int)"
    if labels_N.dtype.kind in "USO":
        return (
            f"that are text (first: {first}); number the classes by one list for every split: "
            "names = sorted(set(y_train)), then names.index(label) for each label"
        )
    if labels_N.dtype.kind != "f":
        return f"of type {labels_N.dtype}; labels must be integers"
    none = np.flatnonzero(~np.isfinite(labels_N))
    if len(none):
        return f"that are NaN or infinite in {len(none)} rows (first: {none[:5].tolist()}); leave these rows out"
    if (labels_N == labels_N.round()).all():
        return f"of type {labels_N.dtype}; labels must be integers: save y.astype(int)"
    return f"such as {first}, which are no classes; labels must be integers"
