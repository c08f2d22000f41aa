"""The user's own splits: files that say which items are for training, for validation and for the test.

What is measured on training rows (mean and std, a table's columns) is measured anew on those of the new split.

Dimension key: N items of all splits that are divided anew.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from calrun.dataset.base import Dataset, Source
from calrun.dataset.check.labels import check_targets
from calrun.dataset.corruption.sources import GROUP_MADE, made_sets
from calrun.dataset.read.item_list import read_items
from calrun.row_transform.base import RowTransform

SHOWN = 5  # items that an error names


class Split(RowTransform):
    """Divides the items of a data set anew, in their order.

    Args:
        train_file: names the items that can be labelled; `None` is all that the other files do not name.
        val_file: names those of the validation set; `None` leaves the data set's own as it is.
        test_file: names those of the test set; `None` leaves the data set's own as it is.

    Raises:
        ValueError: if no file is given.
    """

    def __init__(self, train_file: str | None, val_file: str | None, test_file: str | None) -> None:
        given = {"train": train_file, "val": val_file, "test": test_file}
        self.files = {split: Path(file).expanduser() for split, file in given.items() if file is not None}
        if not self.files:
            raise ValueError("row_transform=split wants a file: give row_transform.train_file, val_file or test_file")

    def __call__(self, train: Source, num_classes: int) -> Source:
        raise NotImplementedError("a split divides all items of a data set, not those of train alone")

    def apply(self, data: Dataset) -> Dataset:
        """Returns the data set with new splits.

        Raises:
            ValueError: if there are unknown classes, a file cannot be read or is empty, an item is unknown, stands in
                two files or twice in one, has no label outside train, or a class has no item in train.
        """
        if data.unknown_classes:
            raise ValueError(
                "row_transform=split cannot divide rows of unknown classes; put it before open_set in "
                "row_transform.transforms"
            )
        first, *others = data.tests or ["test"]
        own = {"val": data.val, "test": data.tests.get(first)}
        parts = {"train": data.train, **{split: part for split, part in own.items() if part is not None}}
        refuse_several_kinds([*parts.values()])
        names = item_names([*parts.values()])
        rows = self.rows_in(names, {split: len(part) for split, part in parts.items()})
        refuse_unlabelled(rows, names, np.concatenate([part.targets for part in parts.values()]))
        new = data.train.divided([part for split, part in parts.items() if split != "train"], rows, names)
        for split, source in new.items():
            if source.targets.ndim == 1:
                check_targets(split, source.targets, len(source), data.num_classes)
        tests = {**({first: new["test"]} if "test" in new else {}), **{name: data.tests[name] for name in others}}
        further = self.further(data, new["test"]) if data.further else {}
        result = replace(data, train=new["train"], tests=tests, val=new.get("val"), further=further)
        return result if data.vocabulary else replace(result, input_shape=shape_of(result.train))

    def further(self, data: Dataset, test: Source) -> Mapping[str, Source]:
        """Returns what is made of the new test set, or what was read and belongs to the old one if that is kept."""
        if all(name.startswith(f"{GROUP_MADE}/") for name in data.further):
            return made_sets(test)
        return {} if "test" in self.files else data.further

    def rows_in(self, names: Sequence[str], sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
        """Returns the rows of each new split, in ascending order.

        Args:
            names: of all items.
            sizes: of the data set's own splits, whose items follow one another.
        """
        ends = dict(zip(sizes, np.cumsum([*sizes.values()]).tolist(), strict=True))
        kept = {split: names[ends[split] - sizes[split] : ends[split]] for split in sizes if split not in self.files}
        named = {split: read_items(f"row_transform.{split}_file", file) for split, file in self.files.items()}
        places = {name: row for row, name in enumerate(names)}
        for split, own in named.items():
            self.refuse_wrong(split, own, names, places)
        items = {**named, **{split: own for split, own in kept.items() if split != "train"}}
        self.refuse_shared(items)
        rows = {split: np.sort([places[item] for item in own]) for split, own in items.items()}
        if "train" not in rows:
            rows["train"] = np.setdiff1d(np.arange(len(names)), np.concatenate([*rows.values()]))
        if not len(rows["train"]):
            raise ValueError("the files of row_transform=split leave no item to train on; name fewer in them")
        return rows

    def refuse_wrong(self, split: str, own: list[str], names: Sequence[str], places: Mapping[str, int]) -> None:
        """Raises a ValueError if a file names an item twice, or one that the data set does not have."""
        twice = [item for item, count in Counter(own).items() if count > 1]
        where = f"row_transform.{split}_file {self.files[split]}"
        if twice:
            raise ValueError(f"{where} names {len(twice)} items several times (first: {twice[:SHOWN]}); name each once")
        unknown = [item for item in own if item not in places]
        if unknown:
            raise ValueError(
                f"{where} names {len(unknown)} of {len(own)} items that are none of the data set's {len(names):,} "
                f"(first: {unknown[:SHOWN]}); they are called {', '.join(names[:3])}, ..., {names[-1]}"
            )

    def refuse_shared(self, items: Mapping[str, Sequence[str]]) -> None:
        """Raises a ValueError if an item stands in two splits."""
        counts = Counter(item for own in items.values() for item in own)
        shared = [item for item, count in counts.items() if count > 1]
        if shared:
            among = [
                str(self.files.get(split, f"the data set's own {split} set, which has no file"))
                for split, own in items.items()
                if shared[0] in set(own)
            ]
            raise ValueError(
                f"row_transform=split: {len(shared)} items stand in two splits (first: {shared[:SHOWN]}, in "
                f"{' and in '.join(among)}); each item belongs to one"
            )


def refuse_several_kinds(parts: Sequence[Source]) -> None:
    """Raises a ValueError if the splits of a data set are kept in different ways, so that none can take another's."""
    kinds = sorted({type(part).__name__ for part in parts})
    if len(kinds) > 1:
        raise ValueError(
            f"row_transform=split wants splits that are kept alike, but this data set has {', '.join(kinds)}; leave it "
            "out"
        )


def item_names(parts: Sequence[Source]) -> list[str]:
    """Returns the item ids of several splits; where they are row numbers, those of later splits are counted on.

    Raises:
        ValueError: if two items have one name.
    """
    by_part = [[part.item_id(row) for row in range(len(part))] for part in parts]
    names = [name for own in by_part for name in own]
    if all(own == [str(row) for row in range(len(own))] for own in by_part):
        return [str(number) for number in range(len(names))]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(
            f"{len(twice)} item ids stand for several items of this data set (first: {twice[:SHOWN]}), so that "
            "row_transform=split cannot tell them apart; make them unique"
        )
    return names


def refuse_unlabelled(rows: Mapping[str, np.ndarray], names: Sequence[str], targets: np.ndarray) -> None:
    """Raises a ValueError if an item outside train has no label."""
    for split in ("val", "test"):
        unknown = [names[row] for row in rows.get(split, ()) if targets.ndim == 1 and targets[row] < 0]
        if unknown:
            raise ValueError(
                f"row_transform.{split}_file names {len(unknown)} items that have no label (first: {unknown[:SHOWN]}); "
                "only items of train may lack one"
            )


def shape_of(source: Source) -> tuple[int, ...]:
    """Returns the shape of one x, which can depend on the training rows, as that of one-hot categories does."""
    _, x = next(source.batches(np.arange(1), 1))
    return tuple(x.shape[1:])
