"""What texts must be before a run starts: none empty, none twice unless that is wanted.

Dimension key: N texts.
"""

from typing import Literal

import numpy as np

from calrun.dataset.text.encoded import EMPTY
from calrun.text.say import warn

Twice = Literal["refuse", "drop", "keep"]


def text_columns(text: str | list[str]) -> list[str]:
    """Returns the names of the columns with texts.

    Raises:
        ValueError: if there is none.
    """
    columns = [text] if isinstance(text, str) else [str(name) for name in text]
    if not columns:
        raise ValueError("dataset.text names no column; give the one with the text")
    return columns


def refuse_empty_texts(where: str, hashes_N: np.ndarray) -> None:
    """Raises a ValueError if texts hold nothing but blanks."""
    empty = np.flatnonzero(hashes_N == EMPTY)
    if len(empty):
        raise ValueError(
            f"{where}: {len(empty):,} of {len(hashes_N):,} texts are empty (first: rows {empty[:5].tolist()}, counted "
            "from 0); take these rows out of it"
        )


def kept_rows(where: str, hashes_N: np.ndarray, duplicates: Twice) -> np.ndarray:
    """Returns the rows that stay, in order.

    Args:
        where: the file, for errors.
        hashes_N: of the texts.
        duplicates: `drop` keeps the first of several equal texts, `keep` all of them, and `refuse` refuses them: if
            one were trained on and another tested, the test would be known.

    Raises:
        ValueError: if texts occur several times and that is refused.
    """
    rows = np.arange(len(hashes_N))
    if duplicates == "keep":
        return rows
    first = np.sort(np.unique(hashes_N, return_index=True)[1])
    more = np.delete(rows, first)
    if len(more) and duplicates == "refuse":
        raise ValueError(
            f"{where} has {len(more):,} texts that stand there before (first: rows {more[:5].tolist()}, counted "
            "from 0); set dataset.duplicates=drop to keep the first of each, or keep to have them all"
        )
    if len(more):
        warn(f"{len(more):,} texts of {where} stand there before and are left out")
    return first
