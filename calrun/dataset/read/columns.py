"""Columns of a table as inputs of a network: numbers scaled, categories one-hot, as fitted on the training rows.

What is fitted is plain values, so that a run folder can hold it and other rows can be read without the training rows.

Dimension key: N rows, D columns after the transformation.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from calrun.dataset.read.frame import column_of
from calrun.text.say import warn

MOST_CATEGORIES = 1_000  # more are names of rows, not kinds of them
FEW_ROWS = 20  # in fewer, every row may have a category of its own
MISSING = "(missing)"


def fit(path: str, train: pd.DataFrame, categorical: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """Returns what scikit-learn's transformers find in the training rows.

    Args:
        path: the table, for errors.
        train: the columns that are inputs.
        categorical: columns of numbers that are codes.

    Returns:
        `numbers`: of each column the value in place of a missing one (the median), the mean and the divisor; `codes`:
        of each column its categories.

    Raises:
        ValueError: if there is no column, or one of text has too many values to be a category.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    if not len(train.columns):
        raise ValueError(f"{path} has no column left to learn from; name fewer in dataset.drop")
    codes = [name for name in train.columns if name in categorical or train[name].dtype.kind not in "biuf"]
    numbers = [name for name in train.columns if name not in codes]
    found: dict[str, dict[str, list[Any]]] = {"numbers": {}, "codes": {}}
    if numbers:
        table = as_numbers(path, train, numbers)
        imputer = SimpleImputer(strategy="median", keep_empty_features=True).fit(table)
        scaler = StandardScaler().fit(imputer.transform(table))
        values = zip(imputer.statistics_.tolist(), scaler.mean_.tolist(), scaler.scale_.tolist(), strict=True)
        found["numbers"] = {name: [*each] for name, each in zip(numbers, values, strict=True)}
    if codes:
        refuse_names(path, train[codes])
        encoder = OneHotEncoder().fit(as_texts(train, codes).to_numpy())
        found["codes"] = {name: each.tolist() for name, each in zip(codes, encoder.categories_, strict=True)}
    return found


def applied(path: str, frame: pd.DataFrame, fitted: Mapping[str, Mapping[str, Sequence[Any]]]) -> Tensor:
    """Returns the inputs of all rows, float32 (N, D): numbers first, then an entry for each category.

    Raises:
        ValueError: if a column is missing, is of another kind than it was, or holds an infinite number.
    """
    for name in (*fitted["numbers"], *fitted["codes"]):
        column_of(path, frame, name, "the network")
    parts = [np.empty((len(frame), 0))]
    if fitted["numbers"]:
        table = as_numbers(path, frame, [*fitted["numbers"]])
        missing, mean, scale = np.array([*fitted["numbers"].values()], dtype=np.float64).T
        parts.append((np.where(np.isnan(table), missing, table) - mean) / scale)
    texts = as_texts(frame, [*fitted["codes"]])
    warn_of_new(path, texts, fitted["codes"])
    parts += [texts[name].to_numpy()[:, None] == np.array(fitted["codes"][name]) for name in fitted["codes"]]
    return torch.from_numpy(np.concatenate(parts, axis=1).astype(np.float32))


def as_numbers(path: str, frame: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Returns columns in double precision (N, columns), NaN where a number is missing.

    Raises:
        ValueError: if a column holds something else, or an infinite number.
    """
    others = [name for name in names if frame[name].dtype.kind not in "biuf" and frame[name].notna().any()]
    if others:
        raise ValueError(
            f"{path}: column {others[0]!r} holds {frame[others[0]].dropna().iloc[0]!r}, but numbers are wanted in it; "
            "correct it, or train anew"
        )
    table = np.asarray(frame[[*names]].astype(np.float64))
    infinite = [names[int(place)] for place in np.flatnonzero(np.isinf(table).any(axis=0))]
    if infinite:
        raise ValueError(
            f"{path} has infinite numbers in {len(infinite)} columns (first: {infinite[:5]}); replace them"
        )
    return table


def as_texts(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Returns columns of categories as text, a missing one by a name of its own."""
    return frame[[*names]].astype(object).fillna(MISSING).astype(str).astype(object)


def warn_of_new(path: str, texts: pd.DataFrame, codes: Mapping[str, Sequence[Any]]) -> None:
    """Says which columns hold categories that no training row has: for the network they are none of the known ones."""
    for name, known in codes.items():
        new = sorted(set(texts[name]) - set(known))
        if new:
            warn(f"{path}: column {name!r} holds categories that no training row has ({len(new)}, first: {new[:5]})")


def refuse_names(path: str, codes: pd.DataFrame) -> None:
    """Raises a ValueError if a column of text has so many values that it names rows and not kinds of rows."""
    for name in codes.columns:
        count = codes[name].nunique()
        if count > MOST_CATEGORIES:
            raise ValueError(
                f"{path}: column {name!r} has {count:,} different values in {len(codes):,} training rows, too many for "
                "categories; name it in dataset.drop, or use dataset=text_table for texts"
            )
        if count == len(codes) >= FEW_ROWS:
            raise ValueError(
                f"{path}: column {name!r} has another text in each of {count:,} training rows, so it is no category; "
                "name it in dataset.item_id or dataset.drop, or use dataset=text_table for texts"
            )
