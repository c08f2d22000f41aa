"""The user's own table with named columns, numeric and categorical, and a class for each row.

scikit-learn's transformers are fitted on the inputs of all training rows, labelled or not, and on no test row: a pool's
inputs are known before any label. Numbers are scaled to mean 0 and variance 1, a missing one is the column's median;
categories are one-hot, a missing one is a category of its own, and one that train has not is none.

Dimension key: N rows, C classes, D columns after the transformation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from calrun.dataset.base import Dataset, Inputs, Source
from calrun.dataset.check.labels import named
from calrun.dataset.check.split import refuse_unseen, split_rows
from calrun.dataset.read.columns import applied, fit
from calrun.dataset.read.frame import class_column, column_of, read_frame, unique_ids, whole_column
from calrun.dataset.source.resident import Resident, resident_dataset, resident_rows
from calrun.dataset.source.transform import Transform

AS_THEY_ARE = Transform([0.0], [1.0])


def load(  # noqa: PLR0913 - one for each question that a table leaves open
    path: str,
    label: str,
    split: str | None,
    test_fraction: float,
    item_id: str | None,
    drop: Sequence[str],
    categorical: Sequence[str],
) -> Dataset:
    """Reads a table.

    Args:
        path: a file that ends with .csv, .tsv, .parquet or .jsonl.
        label: the column with the class of each row: text, true and false, or whole numbers. A row where it is empty
            has none yet, and belongs to train.
        split: the column that says train, test or val; `None` draws the test set, the same for every seed.
        test_fraction: the share of each class that is drawn for the test set where no column says so.
        item_id: the column with a unique name of each row; `None` takes the row's number.
        drop: further columns that are no inputs.
        categorical: columns of numbers that are codes of categories; columns of text are so without being named.

    Raises:
        ValueError: if the file or a column is missing, a label is a fraction, two rows have one id, a class
            has no training row, or a column of text has a value for nearly every row.
    """
    frame = read_frame(path)
    classes, targets = class_column(path, frame, label)
    parts = None if split is None else whole_column(path, frame, split, "dataset.split")
    rows = split_rows(targets, parts, test_fraction, f"{path}, dataset.split")
    refuse_unseen(path, classes, targets, rows)
    ids = unique_ids(path, frame, item_id)
    for name in [*drop, *categorical]:
        column_of(path, frame, name, "dataset.drop" if name in drop else "dataset.categorical")
    others = {label, split, item_id, *drop}
    columns = frame[[name for name in frame.columns if name not in others]]
    fitted = fit(path, columns.iloc[rows["train"]], categorical)
    inputs = applied(path, columns, fitted)
    data = resident_dataset(
        {name: (inputs[found], targets[found]) for name, found in rows.items()}, named(classes), AS_THEY_ARE
    )
    names, codes = [str(name) for name in columns.columns], [*categorical]
    sources = {
        name: Columns(inputs[own], targets[own], [ids[row] for row in own], Origin(path, own, names, codes, fitted))
        for name, own in rows.items()
    }
    return replace(data, train=sources["train"], tests={"test": sources["test"]}, val=sources.get("val"))


@dataclass(frozen=True)
class Origin:
    """Where the rows of a split stand in a table, so that other splits of it can be made.

    Args:
        path: of the table.
        rows: of the table.
        names: of the columns that are inputs.
        categorical: columns of numbers that are codes.
        fitted: what was found in the training rows.
    """

    path: str
    rows: np.ndarray
    names: list[str]
    categorical: list[str]
    fitted: dict[str, dict[str, list[Any]]]


class Columns(Resident):
    """One split of a table in memory."""

    def __init__(self, inputs: Tensor, targets: np.ndarray, item_ids: Sequence[str], origin: Origin) -> None:
        super().__init__(inputs, targets, AS_THEY_ARE, item_ids, known={"columns": origin.fitted})
        self.origin = origin

    def divided(
        self, others: Sequence[Source], rows: Mapping[str, np.ndarray], item_ids: Sequence[str]
    ) -> dict[str, Source]:
        parts, origin = [part for part in (self, *others) if isinstance(part, Columns)], self.origin
        of_table = np.concatenate([part.origin.rows for part in parts])
        targets = np.concatenate([part.targets for part in parts])
        columns = read_frame(origin.path)[origin.names]
        fitted = fit(origin.path, columns.iloc[of_table[rows["train"]]], origin.categorical)
        inputs = applied(origin.path, columns, fitted)
        return {
            name: Columns(
                *(inputs[of_table[own]], targets[own], [item_ids[row] for row in own.tolist()]),
                replace(origin, rows=of_table[own], fitted=fitted),
            )
            for name, own in rows.items()
        }


def rows(place: str, inputs: Inputs, item_id: str | None) -> Source:
    """Reads the rows of another table, whose labels need not be there.

    Raises:
        ValueError: if the file or a column that the network was trained on is missing.
    """
    frame = read_frame(place)
    found = applied(place, frame, inputs.measured["columns"])
    return resident_rows(place, found, inputs, AS_THEY_ARE, unique_ids(place, frame, item_id))
