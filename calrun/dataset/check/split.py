"""Splits of one table into training, test and validation rows: by a column, or drawn.

Dimension key: N rows.
"""

import numpy as np

from calrun.rng import numpy_rng

SPLITS = ("train", "test", "val")


def split_rows(
    targets_N: np.ndarray, column_N: np.ndarray | None, test_fraction: float, where: str
) -> dict[str, np.ndarray]:
    """Returns the rows of each split, in their order: int64, train and test, and val where a column names it.

    Args:
        targets_N: the class of each row, -1 where nobody knows it yet: such a row belongs to train.
        column_N: the split of each row by its name; `None` draws a test set, the same share of each class and the same
            rows for every seed of a run.
        test_fraction: that share, above 0 and below 1; a class keeps at least one training row.
        where: the table and option, for errors.

    Raises:
        ValueError: if the share is none, the column names other splits, train or test is empty, or a row of another
            split than train has no class.
    """
    unknown = targets_N < 0
    if column_N is None:
        return drawn_rows(targets_N, test_fraction)
    names = column_N.astype(str)
    others = sorted(set(names.tolist()) - set(SPLITS))
    if others:
        raise ValueError(f"{where} wants {', '.join(SPLITS)}, but names {len(others)} others (first: {others[:5]})")
    rows = {name: np.flatnonzero(names == name) for name in SPLITS}
    nameless = [name for name in ("test", "val") if unknown[rows[name]].any()]
    if nameless:
        first = rows[nameless[0]][unknown[rows[nameless[0]]]]
        raise ValueError(
            f"{where} puts {len(first)} rows without a class into {nameless[0]} (first: {first[:5].tolist()}); only "
            "rows of train may lack one"
        )
    empty = [name for name in ("train", "test") if not len(rows[name])]
    if empty:
        raise ValueError(f"{where} names no row of {' and '.join(empty)}; every run wants both")
    return {name: found for name, found in rows.items() if len(found)}


def drawn_rows(targets_N: np.ndarray, test_fraction: float) -> dict[str, np.ndarray]:
    """Returns the rows of a training and a test set, drawn class by class."""
    if not 0 < test_fraction < 1:
        raise ValueError(f"dataset.test_fraction wants a share above 0 and below 1, got {test_fraction}")
    rng, drawn = numpy_rng(0, 0, "test rows"), [np.empty(0, dtype=np.int64)]
    for c in np.unique(targets_N[targets_N >= 0]):
        own = rng.permutation(np.flatnonzero(targets_N == c))
        drawn.append(own[: min(round(test_fraction * len(own)), len(own) - 1)])
    test = np.sort(np.concatenate(drawn))
    if not len(test):
        raise ValueError(f"dataset.test_fraction {test_fraction} of {len(targets_N)} rows is no row; raise it")
    return {"train": np.delete(np.arange(len(targets_N)), test), "test": test}


def refuse_unseen(path: str, classes: np.ndarray, targets: np.ndarray, rows: dict[str, np.ndarray]) -> None:
    """Raises a ValueError if a class occurs in no training row."""
    known = targets[rows["train"]]
    unseen = np.flatnonzero(np.bincount(known[known >= 0], minlength=len(classes)) == 0)
    if len(unseen):
        raise ValueError(
            f"{path}: {len(unseen)} classes occur in no training row (first: {classes[unseen[:5]].tolist()}); "
            "leave their rows out or move some to train"
        )
