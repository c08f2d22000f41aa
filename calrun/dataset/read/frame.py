"""Reading tables with named columns: CSV, TSV, Parquet, JSON lines; every fault becomes one sentence."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

READERS: dict[str, Callable[..., pd.DataFrame]] = {
    ".csv": pd.read_csv,
    ".tsv": lambda path, **options: pd.read_csv(path, sep="\t", **options),
    ".parquet": pd.read_parquet,
    ".jsonl": lambda path, **options: pd.read_json(path, lines=True, **options),
}
AS_WRITTEN: dict[str, dict[str, Any]] = {  # no value of a text file is taken for a number, a date or a gap
    ".csv": {"dtype": str, "keep_default_na": False},
    ".tsv": {"dtype": str, "keep_default_na": False},
    ".jsonl": {"dtype": False, "convert_dates": False},
}
NO_QUOTES = {"quoting": csv.QUOTE_NONE}


def read_frame(path: str, as_written: bool = False, quotes: bool = True) -> pd.DataFrame:
    """Returns a table as its ending says it is written.

    Args:
        path: of the file.
        as_written: whether every value of a text file stays a text, also those that look like numbers or gaps.
        quotes: whether quotation marks enclose values of .csv and .tsv files; otherwise they are part of them.

    Raises:
        ValueError: if there is no such file, its ending is another, it cannot be read, or it has no rows.
    """
    place = Path(path).expanduser()
    reader = READERS.get(place.suffix.lower())
    if reader is None:
        raise ValueError(f"{path} wants to be a table that ends with {', '.join(READERS)}; save it as one")
    if not place.is_file():
        raise ValueError(f"no file {path}; a table with named columns is wanted there")
    try:
        frame = reader(place, **options_of(place.suffix.lower(), as_written, quotes))
    except Exception as error:  # the parsers raise whatever a damaged file makes them
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{path} cannot be read as {place.suffix} ({reason}); save it again") from error
    if not len(frame):
        raise ValueError(f"{path} has no rows; give it some")
    frame.columns = frame.columns.astype(str)
    twice = sorted(set(frame.columns[frame.columns.duplicated()]))
    if twice:
        raise ValueError(f"{path} has {len(twice)} column names several times (first: {twice[:5]}); rename them")
    return frame


def options_of(suffix: str, as_written: bool, quotes: bool) -> dict[str, Any]:
    """Returns what a reader is asked for beside the file."""
    options = AS_WRITTEN.get(suffix, {}) if as_written else {}
    return options | (NO_QUOTES if not quotes and suffix in (".csv", ".tsv") else {})


def column_of(path: str, frame: pd.DataFrame, name: str, option: str) -> Any:
    """Returns a column as a series.

    Raises:
        ValueError: if the table has none of this name, with those that it has.
    """
    if name not in frame.columns:
        have = ", ".join(map(str, frame.columns[:30]))
        more = f" and {len(frame.columns) - 30} more" if len(frame.columns) > 30 else ""
        raise ValueError(f"{option} names the column {name!r}, but {path} has: {have}{more}")
    return frame[name]


def whole_column(path: str, frame: pd.DataFrame, name: str, option: str) -> np.ndarray:
    """Returns a column without gaps as text (N,); whole numbers stored with a point are written without it.

    Raises:
        ValueError: if there is no such column, or it is empty in some rows.
    """
    values = column_of(path, frame, name, option)
    empty = np.flatnonzero(values.isna() | (values.astype(str).str.strip() == ""))
    if len(empty):
        raise ValueError(
            f"{path}: column {name!r} is empty in {len(empty)} rows (first: {empty[:5].tolist()}); fill it or leave "
            "these rows out"
        )
    if values.dtype.kind == "f" and (values == values.round()).all():
        values = values.astype(np.int64)
    return np.asarray(values.astype(str), dtype=object)


def unique_ids(path: str, frame: pd.DataFrame, name: str | None) -> list[str]:
    """Returns a stable name of each row: that of a column, or the row's number.

    Raises:
        ValueError: if two rows have one name.
    """
    if name is None:
        return [str(row) for row in range(len(frame))]
    ids = pd.Series(whole_column(path, frame, name, "dataset.item_id"))
    twice = ids[ids.duplicated()].unique().tolist()
    if twice:
        raise ValueError(
            f"{path}: {len(twice)} values of column {name!r} name several rows (first: {twice[:5]}); make them "
            "unique, or set dataset.item_id=null"
        )
    return [str(each) for each in ids]
