"""The arena's data sets: stored features of training and test rows, in an archive each, and scikit-learn's digits.

Dimension key: N training rows, M test rows, D features.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from calrun.arena.settings import BUDGETS, Settings, label_counts
from calrun.dataset.base import UNKNOWN
from calrun.dataset.check.label_names import numbered
from calrun.dataset.check.labels import check_targets, count_classes
from calrun.dataset.read.archive import read_npz
from calrun.rng import numpy_rng
from calrun.text.words import nearest

DIGITS = "digits"
SPLITS = ("train", "test")
ARRAYS = ["features", "labels", "test_features", "test_labels"]
RECIPE = "recipe"  # an optional text: how the features were made
LEAST_ROWS = 1500  # training and test rows together: below, a set says little
DIGEST_BYTES = 8


@dataclass(frozen=True)
class FeatureSet:
    """One data set as the arena sees it.

    Args:
        name: of its archive.
        features_ND: of the training rows.
        targets_N: their classes, 0 to C - 1.
        test_MD: of the test rows.
        test_targets_M: their classes.
        num_classes: C.
        recipe: how the features were made.
    """

    name: str
    features_ND: np.ndarray
    targets_N: np.ndarray
    test_MD: np.ndarray
    test_targets_M: np.ndarray
    num_classes: int
    recipe: str

    def digest(self) -> str:
        """Returns a digest of all numbers."""
        made = hashlib.blake2b(digest_size=DIGEST_BYTES)
        for array in (self.features_ND, self.targets_N, self.test_MD, self.test_targets_M):
            made.update(f"{array.dtype}{array.shape}".encode())
            made.update(np.ascontiguousarray(array).data)
        return made.hexdigest()


def places(folder: Path | None) -> dict[str, Path | None]:
    """Returns the data sets by name, with the archive of each; digits needs none.

    Raises:
        ValueError: if the folder is missing or empty.
    """
    if folder is None:
        return {DIGITS: None}
    found = sorted(folder.glob("*.npz")) if folder.is_dir() else []
    if not found:
        raise ValueError(
            f"--features wants a folder with an archive NAME.npz for each data set ({', '.join(ARRAYS)}), but "
            f"{folder} {'holds none' if folder.is_dir() else 'is no folder'}; make them by scripts/arena_features.py "
            "or np.savez"
        )
    return {DIGITS: None, **{path.stem: path for path in found}}


def chosen_places(folder: Path | None, names: str | None) -> dict[str, Path | None]:
    """Returns the data sets that `--sets` names, or all.

    Raises:
        ValueError: if one of them is not there.
    """
    known = places(folder)
    if names is None:
        return known
    wanted = [name for name in names.split(",") if name]
    for name in wanted:
        if name not in known:
            hint = f"; did you mean {close}" if (close := nearest(name, known)) else ""
            more = "" if folder else "; others come from --features FOLDER"
            raise ValueError(f"--sets names {name!r}, but there are {', '.join(known)}{hint}{more}")
    if not wanted:
        raise ValueError(f"--sets names no data set; choose from {', '.join(known)}")
    return {name: known[name] for name in dict.fromkeys(wanted)}


def load_set(name: str, place: Path | None) -> FeatureSet:
    """Returns a data set.

    Raises:
        ValueError: if its archive has a fault.
    """
    return digits() if place is None else read_set(name, place)


def digits() -> FeatureSet:
    """Returns the digits: 64 pixels from 0 to 1 as they are, 1,297 rows to learn from and 500 test rows."""
    bundled = load_digits()
    order = numpy_rng(0, 0, "arena digits").permutation(len(bundled.target))
    features_ND, targets_N = (bundled.data / 16).astype(np.float32)[order], bundled.target.astype(np.int64)[order]
    train, test = slice(500, None), slice(0, 500)
    parts = (features_ND[train], targets_N[train], features_ND[test], targets_N[test])
    return FeatureSet(DIGITS, *parts, num_classes=10, recipe="64 pixels, as they are")


def read_set(name: str, path: Path) -> FeatureSet:
    """Reads an archive.

    Raises:
        ValueError: if arrays are missing, disagree, or hold what is no number or no class.
    """
    arrays = read_npz(path, ARRAYS, [RECIPE])
    features = [checked_features(path, each, arrays[each]) for each in ("features", "test_features")]
    if features[0].shape[1] != features[1].shape[1]:
        raise ValueError(
            f"{path}: features has {features[0].shape[1]} columns and test_features {features[1].shape[1]}; save the "
            "features of one network for both"
        )
    labels = {"train": arrays["labels"], "test": arrays["test_labels"]}
    try:
        numbers, _ = numbered(labels)
        num_classes = count_classes(numbers)
        targets = [
            check_targets(split, numbers[split], len(rows), num_classes)
            for split, rows in zip(SPLITS, features, strict=True)
        ]
        refuse_unknown(targets[0], num_classes)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    recipe = str(arrays.get(RECIPE, "not said"))
    found = FeatureSet(name, features[0], targets[0], features[1], targets[1], num_classes, recipe)
    refuse_small(path, found)
    return found


def refuse_small(path: Path, found: FeatureSet) -> None:
    """Raises a ValueError if a set has too few rows for the budgets or for a judgement."""
    rows = len(found.features_ND) + len(found.test_MD)
    if rows < LEAST_ROWS:
        raise ValueError(f"{path} has {rows:,} rows, but the arena wants {LEAST_ROWS:,} or more; add rows")
    for budget in BUDGETS:
        try:
            label_counts(budget, Settings().pool_size(len(found.features_ND)), found.num_classes)
        except ValueError as error:
            raise ValueError(f"{path}: {error}; add rows to features") from error


def checked_features(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    """Returns features in single precision.

    Raises:
        ValueError: if they are no table of finite numbers, or have no row.
    """
    if array.ndim != 2 or array.dtype.kind not in "buif" or not array.size:
        raise ValueError(
            f"{path}: {name} wants numbers of shape (rows, features), got {array.dtype} of shape {array.shape}"
        )
    single = np.ascontiguousarray(array, dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(single).all(axis=1))
    if len(bad):
        raise ValueError(f"{path}: {name} is not finite in {len(bad):,} rows (first: {bad[:5].tolist()}); mend them")
    return single


def refuse_unknown(targets_N: np.ndarray, num_classes: int) -> None:
    """Raises a ValueError if a training row has no label, or there is one class."""
    unknown = np.flatnonzero(targets_N == UNKNOWN)
    if len(unknown):
        raise ValueError(
            f"labels has {len(unknown)} rows without a class (first: {unknown[:5].tolist()}); leave them out"
        )
    if num_classes < 2:
        raise ValueError("labels has 1 class, but a classifier tells at least 2 apart; give it rows of another")
