"""One pass over the texts of a file: tokens and the other columns are kept, and a later start reads neither again.

Dimension key: N texts.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from calrun.dataset.text.encoded import VERSION, Encoded, encoded
from calrun.dataset.text.tokens import Tokenizer, digest_of
from calrun.places import cache_folder

BETWEEN = " "  # the texts of several columns

Parts = Callable[[list[str]], Iterator[pd.DataFrame]]


def read_once(
    parts: Parts, content: str, texts: Sequence[str], others: Sequence[str], words: Tokenizer
) -> tuple[Encoded, pd.DataFrame]:
    """Returns the tokens of all texts, and the other columns (N rows).

    What an earlier run has kept is not read again: neither the texts nor the other columns, each by itself.

    Args:
        parts: yields some columns of the file, some rows at a time.
        content: a digest of what the file holds and of how it is read.
        texts: the columns with texts, joined in this order; those that are empty in a row are left out.
        others: further columns that every start needs, such as labels.
        words: encodes the texts.
    """
    place = cache_folder() / "columns" / f"{digest_of(VERSION, content, *others)}.parquet"
    table = kept(place) if others else pd.DataFrame()
    gathered: list[pd.DataFrame] = []

    def passing() -> Iterator[list[str]]:
        wanted = [*texts, *(others if table is None else [])]
        for part in parts([*dict.fromkeys(wanted)]):
            if table is None:
                gathered.append(part[[*others]])
            yield joined(part[[*texts]])

    found = encoded(passing, digest_of(content, *texts), words)
    if table is None or (others and len(table) != len(found)):
        table = keep(pd.concat(gathered or [*parts([*others])], ignore_index=True), place)
    return found, table


def joined(columns: pd.DataFrame) -> list[str]:
    """Returns the texts of some rows; a gap in a column is nothing."""
    lists = [texts_of(columns[name]) for name in columns.columns]
    if len(lists) == 1:
        return lists[0]
    return [BETWEEN.join(filter(None, values)) for values in zip(*lists, strict=True)]


def texts_of(column: "pd.Series[Any]") -> list[str]:
    """Returns a column as text; a gap is the empty one."""
    if isinstance(column.dtype, pd.StringDtype):
        texts: list[str] = column.fillna("").to_numpy(dtype=object).tolist()  # ten times as fast as to iterate
        return texts
    return [*map(str, column.astype(object).where(column.notna(), ""))]


def kept(place: Path) -> pd.DataFrame | None:
    """Returns the columns that an earlier run has kept; `None` if there are none, or they are damaged."""
    with suppress(OSError, ValueError):
        return pd.read_parquet(place)
    return None


def keep(table: pd.DataFrame, place: Path) -> pd.DataFrame:
    """Keeps columns for later starts; returns them as these will read them.

    They are not kept if the cache cannot be written, or a column holds values of several kinds.
    """
    beside = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        table.to_parquet(beside, index=False)
        beside.replace(place)
    except (OSError, ValueError, TypeError):  # Arrow's own errors are among the last two
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        return table
    again = kept(place)
    return table if again is None else again
