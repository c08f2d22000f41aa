"""Reading tables with named columns: CSV, TSV, Parquet, JSON lines; every fault becomes one sentence."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calrun.dataset.base import UNKNOWN

READERS: dict[str, Callable[..., pd.DataFrame]] = {
    ".csv": pd.read_csv,
    ".tsv": lambda path, **options: pd.read_csv(path, sep="\t", **options),
    ".parquet": pd.read_parquet,
    ".jsonl": lambda path, **options: pd.read_json(path, lines=True, **options),
}


def read_frame(path: str) -> pd.DataFrame:
    """Returns a table as its ending says it is written.

    Raises:
        ValueError: if there is no such file, its ending is another, it cannot be read, or it has no rows.
    """
    place = table_at(path)
    with readable(path):
        frame = READERS[place.suffix.lower()](place)
        refuse_surplus(frame)
    if not len(frame):
        raise ValueError(f"{path} has no rows; give it some")
    frame.columns = frame.columns.astype(str)
    refuse_doubles(path, frame.columns)
    return frame


def table_at(path: str) -> Path:
    """Returns where a table lies.

    Raises:
        ValueError: if its ending is that of no table, or there is no such file.
    """
    place = Path(path).expanduser()
    if place.suffix.lower() not in READERS:
        raise ValueError(f"{path} wants to be a table that ends with {', '.join(READERS)}; save it as one")
    if not place.is_file():
        raise ValueError(f"no file {path}; a table with named columns is wanted there")
    return place


@contextmanager
def readable(path: str) -> Iterator[None]:
    """Turns whatever a damaged file makes the parsers raise into a ValueError."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{path} cannot be read as {Path(path).suffix} ({reason}); save it again") from error


def refuse_surplus(frame: pd.DataFrame) -> None:
    """Raises a ValueError if lines have more values than columns have names: pandas makes row names of the first."""
    if not isinstance(frame.index, pd.RangeIndex):
        raise ValueError("its lines have more values than the first line has names")


def refuse_doubles(path: str, names: pd.Index) -> None:
    """Raises a ValueError if two columns have one name."""
    twice = sorted(set(names[names.duplicated()]))
    if twice:
        raise ValueError(f"{path} has {len(twice)} column names several times (first: {twice[:5]}); rename them")


def column_of(path: str, frame: pd.DataFrame, name: str, option: str) -> Any:
    """Returns a column as a series.

    Raises:
        ValueError: if the table has none of this name, with those that it has.
    """
    refuse_absent(path, [*frame.columns], name, option)
    return frame[name]


def refuse_absent(path: str, names: Sequence[str], name: str, option: str) -> None:
    """Raises a ValueError if a table has no column of a name, with the names of those that it has."""
    if name not in names:
        have = ", ".join(map(str, names[:30])) or "none"
        more = f" and {len(names) - 30} more" if len(names) > 30 else ""
        raise ValueError(
            f"{option} names the column {name!r}, but {path} has: {have}{more}; correct the name, or add the column"
        )


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


def class_column(path: str, frame: pd.DataFrame, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the classes in a column, sorted as text, and the number of each row's (N,), UNKNOWN where it is empty.

    Raises:
        ValueError: if there is no such column, all of it is empty, or it holds numbers with a fraction.
    """
    labels = column_of(path, frame, name, "dataset.label")
    kinds = labels if labels.dtype == object else labels.drop_duplicates()  # objects: 1 and true are not one class
    known = np.flatnonzero(kinds.notna() & (kinds.astype(str).str.strip() != ""))
    if not len(known):
        raise ValueError(f"{path}: column {name!r} is empty in all {len(frame)} rows; give some of them a class")
    if kinds.dtype.kind == "f" and (kinds.iloc[known] != kinds.iloc[known].round()).any():
        broken = kinds[kinds != kinds.round()].dropna().head(3).tolist()
        raise ValueError(
            f"{path}: column {name!r} holds numbers such as {broken}, which are no classes; sort them into some"
        )
    texts = whole_column(path, kinds.iloc[known].to_frame(name), name, "dataset.label").astype(str)
    numbers = np.full(len(kinds), UNKNOWN)
    classes, numbers[known] = np.unique(texts, return_inverse=True)
    return classes, numbers if kinds is labels else numbers[pd.Index(kinds).get_indexer(labels)]


def unique_ids(path: str, frame: pd.DataFrame, name: str | None) -> list[str]:
    """Returns a stable name of each row: that of a column, or the row's number.

    Raises:
        ValueError: if two rows have one name.
    """
    if name is None:
        return [str(row) for row in range(len(frame))]
    ids = whole_column(path, frame, name, "dataset.item_id")
    twice = [*dict.fromkeys(ids[pd.Series(ids).duplicated().to_numpy()])]
    if twice:
        raise ValueError(
            f"{path}: {len(twice)} values of column {name!r} name several rows (first: {twice[:5]}); make them "
            "unique, or set dataset.item_id=null"
        )
    return [*map(str, ids)]
