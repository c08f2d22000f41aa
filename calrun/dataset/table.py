"""The user's own table with named columns, numeric and categorical, and a class for each row.

scikit-learn's transformers are fitted on the inputs of all training rows, labelled or not, and on no test row: a pool's
inputs are known before any label. Numbers are scaled to mean 0 and variance 1, a missing one is the column's median;
categories are one-hot, a missing one is a category of its own, and one that train has not is none.

Dimension key: N rows, C classes, D columns after the transformation.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from calrun.dataset.base import Dataset
from calrun.dataset.check.labels import named
from calrun.dataset.check.split import refuse_unseen, split_rows
from calrun.dataset.read.frame import column_of, read_frame, unique_ids, whole_column
from calrun.dataset.source.resident import resident_dataset
from calrun.dataset.source.transform import Transform

MOST_CATEGORIES = 1_000  # more are names of rows, not kinds of them
MISSING = "(missing)"


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
        label: the column with the class of each row: text, true and false, or whole numbers.
        split: the column that says train, test or val; `None` draws the test set, the same for every seed.
        test_fraction: the share of each class that is drawn for the test set where no column says so.
        item_id: the column with a unique name of each row; `None` takes the row's number.
        drop: further columns that are no inputs.
        categorical: columns of numbers that are codes of categories; columns of text are so without being named.

    Raises:
        ValueError: if the file or a column is missing, a label is empty or a fraction, two rows have one id, a class
            has no training row, or a column of text has a value for nearly every row.
    """
    frame = read_frame(path)
    refuse_fractions(path, label, column_of(path, frame, label, "dataset.label"))
    classes, targets = np.unique(whole_column(path, frame, label, "dataset.label").astype(str), return_inverse=True)
    parts = None if split is None else whole_column(path, frame, split, "dataset.split")
    rows = split_rows(targets, parts, test_fraction, f"{path}, dataset.split")
    refuse_unseen(path, classes, targets, rows)
    ids = unique_ids(path, frame, item_id)
    for name in [*drop, *categorical]:
        column_of(path, frame, name, "dataset.drop" if name in drop else "dataset.categorical")
    others = {label, split, item_id, *drop}
    inputs = prepared(path, frame[[name for name in frame.columns if name not in others]], rows["train"], categorical)
    splits = {name: (torch.from_numpy(inputs[found]), targets[found]) for name, found in rows.items()}
    return resident_dataset(splits, named(classes), Transform([0.0], [1.0]), [ids[row] for row in rows["train"]])


def prepared(path: str, frame: pd.DataFrame, train: np.ndarray, categorical: Sequence[str]) -> np.ndarray:
    """Returns the inputs of all rows as float32 (N, D), with transformers fitted on the training rows.

    Raises:
        ValueError: if no column is left, numbers are infinite, or a category stands for a single row mostly.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    if not len(frame.columns):
        raise ValueError(f"{path} has no column left to learn from; name fewer in dataset.drop")
    codes = [name for name in frame.columns if name in categorical or frame[name].dtype.kind not in "biuf"]
    numbers = [name for name in frame.columns if name not in codes]
    refuse_infinite(path, frame[numbers])
    refuse_names(path, frame[codes].iloc[train])
    texts = frame[codes].astype(object).fillna(MISSING).astype(str)
    table = pd.concat([frame[numbers].astype(np.float64), texts], axis=1)
    scaled = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    transformer = ColumnTransformer([("numbers", scaled, numbers), ("codes", one_hot, codes)])
    transformer.fit(table.iloc[train])
    return np.ascontiguousarray(transformer.transform(table), dtype=np.float32)


def refuse_fractions(path: str, name: str, labels: pd.Series) -> None:
    """Raises a ValueError if labels are numbers with a fraction: no classes."""
    if labels.dtype.kind == "f" and (labels.dropna() != labels.dropna().round()).any():
        broken = labels[labels != labels.round()].dropna().head(3).tolist()
        raise ValueError(
            f"{path}: column {name!r} holds numbers such as {broken}, which are no classes; sort them into some"
        )


def refuse_infinite(path: str, numbers: pd.DataFrame) -> None:
    """Raises a ValueError if a number is infinite; a missing one is replaced by the median."""
    infinite = [str(name) for name in numbers.columns if np.isinf(numbers[name].astype(np.float64)).any()]
    if infinite:
        raise ValueError(
            f"{path} has infinite numbers in {len(infinite)} columns (first: {infinite[:5]}); replace them"
        )


def refuse_names(path: str, codes: pd.DataFrame) -> None:
    """Raises a ValueError if a column of text has so many values that it names rows and not kinds of rows."""
    for name in codes.columns:
        count = codes[name].nunique()
        if count > MOST_CATEGORIES:
            raise ValueError(
                f"{path}: column {name!r} has {count:,} different values in {len(codes):,} training rows, too many for "
                "categories; name it in dataset.drop, or use dataset=text_table for texts"
            )
