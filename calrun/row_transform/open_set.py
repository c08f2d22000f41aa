"""A pool with rows of unknown classes. Ning et al. 2022, "Active Learning for Open-set Annotation" (LfOSA), Sec. 3.

Whoever picks such a row buys a label all the same, and learns no more than that the row is of none of the classes.

Dimension key: N rows of a split, C classes of the data set, K known classes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from calrun.dataset.base import NO_CLASS, UNKNOWN_CLASS, Dataset, Source
from calrun.dataset.source.renumbered import Renumbered
from calrun.rng import numpy_rng
from calrun.row_transform.base import RowTransform
from calrun.row_transform.classes import class_of_rows
from calrun.text.legal import at_least

LEAST_KNOWN = 2  # classes that a classifier can tell apart
SHOWN = 30  # classes that an error names


class OpenSet(RowTransform):
    """Leaves the rows of some classes in the pool as rows of unknown classes, and takes them out of every other split.

    The other classes keep their order and their names, and are numbered from 0. The oracle answers with NO_CLASS for a
    row of an unknown class, which costs one label; no fit and no acquisition sees it among the labelled rows.

    Differs from the paper: the rows of round 1 are chosen as any others (its are all of known classes), rows of unknown
    classes train nothing at all once they are bought (its detector learns from them), and which classes are unknown,
    `seed` decides, the same for all seeds of runs.

    Args:
        classes: the names of the unknown classes; `None` leaves the choice to `share`.
        share: the share of the classes that are unknown, above 0 and below 1; the paper's is 0.8, 0.7 or 0.6.
        seed: of the choice of classes.

    Raises:
        ValueError: if not exactly one of `classes` and `share` is given, or one is out of range.
    """

    def __init__(self, classes: Sequence[str] | None, share: float | None, seed: int) -> None:
        at_least(0, "row_transform", seed=seed)
        if (classes is None) == (share is None):
            came = "neither" if classes is None else "both"
            raise ValueError(
                f"row_transform=open_set wants row_transform.classes=[NAME,...] or row_transform.share, but came {came}"
            )
        if share is not None and not 0 < share < 1:
            raise ValueError(f"row_transform.share wants a share of the classes above 0 and below 1, got {share:g}")
        if isinstance(classes, str):
            raise ValueError(f"row_transform.classes wants a list of names, got {classes!r}; write [{classes}]")
        self.classes = None if classes is None else [str(name) for name in classes]
        self.share, self.seed = share, seed

    def __call__(self, train: Source, num_classes: int) -> Source:
        raise NotImplementedError("an open set changes the classes of all splits, not those of train alone")

    def apply(self, data: Dataset) -> Dataset:
        """Returns the data set with unknown classes.

        Raises:
            ValueError: if a row has no class or several, a class is not there, or fewer than two remain known.
        """
        class_of_rows(data.train, "open_set")
        names = [str(name) for name in data.class_names]
        unknown = self.unknown_of(names)
        number_C = np.cumsum(~unknown) - 1
        number_C[unknown] = NO_CLASS
        return replace(
            data,
            train=Renumbered(data.train, np.arange(len(data.train)), number_C),
            tests={name: known_rows(name, test, number_C) for name, test in data.tests.items()},
            val=None if data.val is None else known_rows("val", data.val, number_C),
            further=FurtherKnown(data.further, number_C),
            num_classes=int((~unknown).sum()),
            class_names=[name for name, without in zip(names, unknown, strict=True) if not without],
            unknown_classes=[name for name, without in zip(names, unknown, strict=True) if without],
        )

    def unknown_of(self, names: Sequence[str]) -> np.ndarray:
        """Returns which classes are unknown (C,).

        Raises:
            ValueError: if a class is not there, or fewer than two would be known, or none unknown.
        """
        if UNKNOWN_CLASS in names:
            raise ValueError(f"row_transform=open_set calls rows {UNKNOWN_CLASS!r}, which is a class here; rename it")
        unknown = np.isin(names, self.classes) if self.classes is not None else self.drawn(len(names))
        missing = sorted({*(self.classes or ())} - {*names})
        if missing:
            more = ", ..." if len(names) > SHOWN else ""
            raise ValueError(
                f"row_transform.classes names {len(missing)} classes that the data set does not have (first: "
                f"{missing[:5]}); its classes are {', '.join(names[:SHOWN])}{more}"
            )
        known = int((~unknown).sum())
        if not unknown.any() or known < LEAST_KNOWN:
            raise ValueError(
                f"row_transform=open_set wants 1 unknown class or more and {LEAST_KNOWN} known ones, but of "
                f"{len(names)} classes {known} are known; name others in row_transform.classes, or change "
                "row_transform.share"
            )
        return unknown

    def drawn(self, num_classes: int) -> np.ndarray:
        """Returns which classes are unknown where a share of them is (C,); more of the same for a larger share."""
        assert self.share is not None
        order_C = numpy_rng(self.seed, 0, "open set").permutation(num_classes)
        return np.isin(np.arange(num_classes), order_C[: round(self.share * num_classes)])


class FurtherKnown(Mapping[str, Source]):
    """The rows of known classes of further test sets, which are made or read when they are looked at.

    Args:
        further: the test sets.
        number_C: the new number of each class (C,).
    """

    def __init__(self, further: Mapping[str, Source], number_C: np.ndarray) -> None:
        self.further, self.number_C = further, number_C

    def __getitem__(self, name: str) -> Source:
        return known_rows(name, self.further[name], self.number_C)

    def __iter__(self) -> Iterator[str]:
        return iter(self.further)

    def __len__(self) -> int:
        return len(self.further)


def known_rows(split: str, source: Source, number_C: np.ndarray) -> Renumbered:
    """Returns the rows of a split whose classes are known.

    Raises:
        ValueError: if there are none.
    """
    rows = np.flatnonzero(number_C[source.targets] != NO_CLASS)
    if not len(rows):
        raise ValueError(
            f"row_transform=open_set leaves no row in the {split} split, whose rows are all of unknown classes; make "
            "fewer classes unknown"
        )
    return Renumbered(source, rows, number_C)
