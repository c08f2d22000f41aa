"""The user's own texts in a table with named columns: .csv, .tsv, .parquet or .jsonl, with a class for each text.

Dimension key: N rows of the table.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from calrun.dataset.base import UNKNOWN, Dataset, Inputs, Source
from calrun.dataset.check.labels import named
from calrun.dataset.check.split import refuse_unseen, split_rows
from calrun.dataset.read.frame import column_of, read_frame, unique_ids, whole_column
from calrun.dataset.source.ragged import Ragged
from calrun.dataset.source.subset import Subset
from calrun.dataset.table import refuse_fractions
from calrun.dataset.text.checks import Twice, kept_rows, refuse_empty_texts
from calrun.dataset.text.encoded import Encoded, content_of, encoded
from calrun.dataset.text.tokens import Tokenizer, digest_of, known_tokenizer, tokenizer_of

TEXTS_AT_ONCE = 8192
BETWEEN = " "  # the texts of several columns


def load(  # noqa: PLR0913 - one for each question that a table of texts leaves open
    path: str,
    text: str | list[str],
    label: str,
    split: str | None,
    test_fraction: float,
    item_id: str | None,
    duplicates: Twice,
    quotes: bool,
    tokenizer: str,
    max_length: int,
    pad_to: int | None,
) -> Dataset:
    """Reads a table.

    Args:
        path: a file that ends with .csv, .tsv, .parquet or .jsonl.
        text: the column with the text, or several, which are joined in this order.
        label: the column with the class of each row: text, true and false, or whole numbers.
        split: the column that says train, test or val; `None` draws the test set, the same for every seed.
        test_fraction: the share of each class that is drawn for the test set where no column says so.
        item_id: the column with a unique name of each row; `None` takes the row's number.
        duplicates: `drop` keeps the first of several equal texts, `keep` all, `refuse` refuses them.
        quotes: whether quotation marks enclose values of .csv and .tsv files; otherwise they are part of the text.
        tokenizer: `characters`, a folder with a tokenizer of transformers, or its name at huggingface.co.
        max_length: tokens that a text keeps.
        pad_to: tokens that every batch is padded to; `None` is the longest text of each batch.

    Raises:
        ValueError: if the file or a column is missing, a text or label is empty, a label is a fraction, two rows have
            one id or one text, or a class has no training row.
    """
    words, frame = tokenizer_of(tokenizer, max_length), read_frame(path, as_written=True, quotes=quotes)
    refuse_fractions(path, label, column_of(path, frame, label, "dataset.label"))
    classes, targets = np.unique(whole_column(path, frame, label, "dataset.label").astype(str), return_inverse=True)
    parts = None if split is None else whole_column(path, frame, split, "dataset.split")
    ids = unique_ids(path, frame, item_id)
    found = tokens_of(path, frame, text, quotes, words)
    kept = kept_rows(path, found.hashes_N, duplicates)
    drawn = split_rows(targets[kept], None if parts is None else parts[kept], test_fraction, f"{path}, dataset.split")
    rows = {name: kept[among] for name, among in drawn.items()}
    refuse_unseen(path, classes, targets, rows)
    source = Ragged(found.entries_E, found.offsets, targets, ids, pad_to)
    splits: dict[str, Source] = {name: Subset(source, own) for name, own in rows.items()}
    shape, tests = (pad_to or max_length,), {"test": splits["test"]}
    names = named(classes)
    return Dataset(splits["train"], tests, len(names), names, shape, splits.get("val"), words.vocabulary)


def rows(  # noqa: PLR0913 - as for `load`
    place: str,
    inputs: Inputs,
    text: str | list[str],
    item_id: str | None,
    quotes: bool,
    tokenizer: str,
    max_length: int,
    pad_to: int | None,
) -> Source:
    """Reads the texts of a table without labels.

    Args:
        place: the table.
        inputs: what the network takes.
        text: as for `load`, like the following.
        item_id: the column with a unique name of each row.
        quotes: whether quotation marks enclose values.
        tokenizer: makes tokens of the texts.
        max_length: tokens that a text keeps.
        pad_to: tokens that every batch is padded to.
    """
    words, frame = known_tokenizer(tokenizer, max_length, inputs), read_frame(place, as_written=True, quotes=quotes)
    found = tokens_of(place, frame, text, quotes, words)
    ids = unique_ids(place, frame, item_id)
    return Ragged(found.entries_E, found.offsets, np.full(len(found), UNKNOWN), ids, pad_to)


def tokens_of(path: str, frame: pd.DataFrame, text: str | list[str], quotes: bool, words: Tokenizer) -> Encoded:
    """Returns the tokens of a table's texts.

    Raises:
        ValueError: if a column is missing, or texts are empty or swallow the lines that follow them.
    """
    columns = [text] if isinstance(text, str) else [str(name) for name in text]
    if not columns:
        raise ValueError("dataset.text names no column; give the one with the text")
    for name in columns:
        column_of(path, frame, name, "dataset.text")
    place = Path(path).expanduser()
    if quotes and place.suffix.lower() == ".tsv":
        refuse_swallowed(path, frame[columns])
    content = digest_of(content_of(place), columns, quotes)
    found = encoded(lambda: parts_of(frame[columns]), content, words)
    refuse_empty_texts(path, found.hashes_N)
    return found


def parts_of(columns: pd.DataFrame) -> Iterator[Sequence[str]]:
    """Yields the texts of a table, several at once; a gap in one of several columns is nothing."""
    for start in range(0, len(columns), TEXTS_AT_ONCE):
        part = columns.iloc[start : start + TEXTS_AT_ONCE].astype(object)
        texts = [part[name].where(part[name].notna(), "").map(str) for name in part.columns]
        yield [BETWEEN.join(filter(None, values)) for values in zip(*texts, strict=True)]


def refuse_swallowed(path: str, columns: pd.DataFrame) -> None:
    """Raises a ValueError if a text holds line breaks and tabs, as when a quotation mark is never closed."""
    for name in columns.columns:
        swallowed = np.flatnonzero(columns[name].str.contains(r"\n[^\t]*\t", regex=True).fillna(False))
        if len(swallowed):
            raise ValueError(
                f"{path}: column {name!r} holds lines with tabs in {len(swallowed)} rows (first: "
                f"{swallowed[:5].tolist()}), as if a quotation mark began there that is none; set dataset.quotes=false"
            )
