"""Reading tables with named columns some rows at a time, and of these only the columns that are asked for."""

import csv
import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

import pandas as pd

from calrun.dataset.read.frame import readable, refuse_doubles, refuse_surplus, table_at

ROWS_AT_ONCE = 8192

Columns = list[str] | None


def parts_of(
    path: str, columns: Columns = None, quotes: bool = True, at_once: int = ROWS_AT_ONCE
) -> Iterator[pd.DataFrame]:
    """Yields the rows of a table, some at a time; every value of a text file stays a text.

    Args:
        path: of a file that ends with .csv, .tsv, .parquet or .jsonl.
        columns: those to read, all of which the table has; `None` reads all.
        quotes: whether quotation marks enclose values of .csv and .tsv files; otherwise they are part of them.
        at_once: rows of a part.

    Raises:
        ValueError: if there is no such file, its ending is another, it cannot be read, or it has no rows.
    """
    place, count = table_at(path), 0
    with readable(path):
        for part in READERS[place.suffix.lower()](place, columns, quotes, at_once):
            part.columns = part.columns.astype(str)
            count += len(part)
            yield part
    if not count:
        raise ValueError(f"{path} has no rows; give it some")


def columns_of(path: str, quotes: bool = True) -> list[str]:
    """Returns the names of a table's columns; of .jsonl those of its first rows.

    Raises:
        ValueError: as for `parts_of`, or if two columns have one name.
    """
    place = table_at(path)
    if place.suffix.lower() == ".parquet":
        from pyarrow.parquet import read_schema

        with readable(path):
            names = pd.Index(read_schema(place).names)
    else:
        rows = ROWS_AT_ONCE if place.suffix.lower() == ".jsonl" else 1
        names = next(parts_of(path, None, quotes, rows)).columns
    refuse_doubles(path, names)
    return [str(name) for name in names]


def parts_of_csv(
    place: Path, columns: Columns, quotes: bool, at_once: int, separator: str = ","
) -> Iterator[pd.DataFrame]:
    """Yields the rows of comma-separated values."""
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    with pd.read_csv(
        place,
        sep=separator,
        quoting=quoting,
        dtype=str,
        keep_default_na=False,
        chunksize=at_once,
    ) as parts:
        for part in parts:  # all columns are read: with `usecols`, what a line has too many of would be dropped
            refuse_surplus(part)
            yield part if columns is None else part[columns]


def parts_of_tsv(place: Path, columns: Columns, quotes: bool, at_once: int) -> Iterator[pd.DataFrame]:
    """Yields the rows of values with tabs between them."""
    yield from parts_of_csv(place, columns, quotes, at_once, "\t")


def parts_of_parquet(place: Path, columns: Columns, quotes: bool, at_once: int) -> Iterator[pd.DataFrame]:
    """Yields the rows of Apache Parquet."""
    from pyarrow.parquet import ParquetFile

    with ParquetFile(place, memory_map=True) as file:
        for batch in file.iter_batches(at_once, columns=columns):
            yield batch.to_pandas(ignore_metadata=True)


def parts_of_jsonl(place: Path, columns: Columns, quotes: bool, at_once: int) -> Iterator[pd.DataFrame]:
    """Yields the rows of one JSON object a line; what a line does not have is a gap."""
    with place.open(encoding="utf-8") as file:
        lines = (line for line in file if line.strip())
        while rows := [json.loads(line) for line in islice(lines, at_once)]:
            if not all(isinstance(row, dict) for row in rows):
                raise ValueError("an object is wanted on each line")
            yield pd.DataFrame(rows, columns=columns)


READERS: dict[str, Callable[[Path, Columns, bool, int], Iterator[pd.DataFrame]]] = {
    ".csv": parts_of_csv,
    ".tsv": parts_of_tsv,
    ".parquet": parts_of_parquet,
    ".jsonl": parts_of_jsonl,
}
