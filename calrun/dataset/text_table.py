"""The user's own texts in a table with named columns: .csv, .tsv, .parquet or .jsonl, with a class for each text.

Dimension key: N rows of the table.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from calrun.dataset.base import UNKNOWN, Dataset, Inputs, Source
from calrun.dataset.check.labels import named
from calrun.dataset.check.split import refuse_unseen, split_rows
from calrun.dataset.read.frame import class_column, refuse_absent, table_at, unique_ids, whole_column
from calrun.dataset.read.parts import columns_of, parts_of
from calrun.dataset.source.ragged import Ragged
from calrun.dataset.source.subset import Subset
from calrun.dataset.text.checks import Twice, kept_rows, refuse_empty_texts, text_columns
from calrun.dataset.text.encoded import Encoded, content_of
from calrun.dataset.text.once import read_once
from calrun.dataset.text.tokens import Tokenizer, digest_of, known_tokenizer, tokenizer_of


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
    length_buckets: int | None,
) -> Dataset:
    """Reads a table.

    Args:
        path: a file that ends with .csv, .tsv, .parquet or .jsonl.
        text: the column with the text, or several, which are joined in this order.
        label: the column with the class of each row: text, true and false, or whole numbers. A row where it is empty
            has none yet, and belongs to train.
        split: the column that says train, test or val; `None` draws the test set, the same for every seed.
        test_fraction: the share of each class that is drawn for the test set where no column says so.
        item_id: the column with a unique name of each row; `None` takes the row's number.
        duplicates: `drop` keeps the first of several equal texts, `keep` all, `refuse` refuses them.
        quotes: whether quotation marks enclose values of .csv and .tsv files; otherwise they are part of the text.
        tokenizer: `characters`, a folder with a tokenizer of transformers, or its name at huggingface.co.
        max_length: tokens that a text keeps.
        pad_to: tokens that every batch is padded to; `None` is the longest text of each batch.
        length_buckets: batches of an epoch whose rows are sorted by length together, so that little is padding; `None`
            leaves them as they are drawn.

    Raises:
        ValueError: if the file or a column is missing, a text is empty, a label is a fraction, two rows have
            one id or one text, or a class has no training row.
    """
    words = tokenizer_of(tokenizer, max_length)
    named_in = {"dataset.label": label, "dataset.split": split, "dataset.item_id": item_id}
    found, frame = columns_and_tokens(path, text, named_in, quotes, words)
    classes, targets = class_column(path, frame, label)
    parts = None if split is None else whole_column(path, frame, split, "dataset.split")
    ids = None if item_id is None else unique_ids(path, frame, item_id)
    kept = kept_rows(path, found.hashes_N, duplicates)
    drawn = split_rows(targets[kept], None if parts is None else parts[kept], test_fraction, f"{path}, dataset.split")
    rows = {name: kept[among] for name, among in drawn.items()}
    refuse_unseen(path, classes, targets, rows)
    source = Ragged(found.entries_E, found.offsets, targets, ids, pad_to, length_buckets)
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
    words = known_tokenizer(tokenizer, max_length, inputs)
    found, frame = columns_and_tokens(place, text, {"dataset.item_id": item_id}, quotes, words)
    ids = None if item_id is None else unique_ids(place, frame, item_id)
    return Ragged(found.entries_E, found.offsets, np.full(len(found), UNKNOWN), ids, pad_to)


def columns_and_tokens(
    path: str, text: str | list[str], named_in: Mapping[str, str | None], quotes: bool, words: Tokenizer
) -> tuple[Encoded, pd.DataFrame]:
    """Returns the tokens of a table's texts and its columns that options name; both are read once and kept.

    Raises:
        ValueError: if a column is missing, or texts are empty or swallow the lines that follow them.
    """
    texts = text_columns(text)
    others = {option: name for option, name in named_in.items() if name is not None}
    names = columns_of(path, quotes)
    for option, name in (*others.items(), *(("dataset.text", name) for name in texts)):
        refuse_absent(path, names, name, option)
    content = digest_of(content_of(table_at(path)), quotes)
    swallows = quotes and path.lower().endswith(".tsv")

    def parts(columns: list[str]) -> Iterator[pd.DataFrame]:
        for part in parts_of(path, columns, quotes):
            if swallows:
                refuse_swallowed(path, part[[name for name in texts if name in columns]])
            yield part

    found, frame = read_once(parts, content, texts, [*dict.fromkeys(others.values())], words)
    refuse_empty_texts(path, found.hashes_N)
    return found, frame


def refuse_swallowed(path: str, columns: pd.DataFrame) -> None:
    """Raises a ValueError if a text holds line breaks and tabs, as when a quotation mark is never closed."""
    for name in columns.columns:
        swallowed = columns.index[columns[name].str.contains(r"\n[^\t]*\t", regex=True).fillna(False).astype(bool)]
        if len(swallowed):
            raise ValueError(
                f"{path}: column {name!r} holds lines with tabs in {len(swallowed)} rows or more (first: "
                f"{swallowed[:5].tolist()}), as if a quotation mark began there that is none; set dataset.quotes=false"
            )
