"""Texts of a data set of Hugging Face's library `datasets`: by name, or in a folder of its own or of plain files.

Dimension key: N rows of a split, C classes.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calrun.dataset.base import UNKNOWN, Dataset, Inputs, Source
from calrun.dataset.check.labels import named
from calrun.dataset.check.split import refuse_unseen, split_rows
from calrun.dataset.read.frame import class_column, refuse_absent
from calrun.dataset.read.hub import WHOLE, opened
from calrun.dataset.source.ragged import Ragged
from calrun.dataset.source.subset import Subset
from calrun.dataset.text.checks import refuse_empty_texts, text_columns
from calrun.dataset.text.encoded import content_of
from calrun.dataset.text.once import read_once
from calrun.dataset.text.tokens import Tokenizer, digest_of, known_tokenizer, tokenizer_of

ROWS_AT_ONCE = 8192
SPLIT_NAMES = {"val": "validation"}  # what `datasets` calls those of `calrun predict`


def load(  # noqa: PLR0913 - one for each question that a data set of texts leaves open
    path: str,
    config: str | None,
    revision: str | None,
    text: str | list[str],
    label: str,
    train_split: str,
    test_split: str | None,
    val_split: str | None,
    test_fraction: float,
    tokenizer: str,
    max_length: int,
    pad_to: int | None,
    length_buckets: int | None,
) -> Dataset:
    """Reads a data set.

    Args:
        path: a folder that `save_to_disk` has written, one of csv, json, parquet or arrow files, or a name at
            huggingface.co.
        config: the configuration, where a name has several.
        revision: the branch, tag or commit of a name; `None` is its newest.
        text: the column with the text, or several, which are joined in this order.
        label: the column with the class of each row.
        train_split: the name of the pool's split.
        test_split: that of the test set; `None` draws it from the pool's split, the same for every seed.
        val_split: that of the validation set; `None` if there is none.
        test_fraction: the share of each class that is drawn for the test set where no split is named.
        tokenizer: `characters`, a folder with a tokenizer of transformers, or its name at huggingface.co.
        max_length: tokens that a text keeps.
        pad_to: tokens that every batch is padded to; `None` is the longest text of each batch.
        length_buckets: batches of an epoch whose rows are sorted by length together, so that little is padding; `None`
            leaves them as they are drawn.

    Raises:
        ValueError: if there is no such data set, split or column, the column holds no texts, a text is empty, rows
            have no label, or a class has no training row.
    """
    words, found = tokenizer_of(tokenizer, max_length), opened(path, config, revision)
    columns = {"dataset.text": text_columns(text), "dataset.label": [label]}
    options = {"train_split": train_split, "test_split": test_split, "val_split": val_split}
    splits = {key.removesuffix("_split"): name for key, name in options.items() if name is not None}
    for key, name in splits.items():
        refuse_split(path, found, name, f"dataset.{key}_split")
        refuse_kinds(path, found[name], columns)
    read = {
        key: sentences_of(path, name, found[name], columns, words, pad_to, length_buckets)
        for key, name in splits.items()
    }
    classes, numbers = numbered(path, label, {key: found[name] for key, name in splits.items()}, read)
    sources: dict[str, Source] = {}
    for key, (source, _) in read.items():
        source.targets = numbers[key]
        sources[key] = source
    if test_split is None:
        drawn = split_rows(numbers["train"], None, test_fraction, path)
        sources |= {key: Subset(sources["train"], own) for key, own in drawn.items()}
    refuse_unseen(path, classes, sources["train"].targets, {"train": np.arange(len(sources["train"]))})
    names, shape = named(classes), (pad_to or max_length,)
    return Dataset(
        sources["train"], {"test": sources["test"]}, len(names), names, shape, sources.get("val"), words.vocabulary
    )


def rows(  # noqa: PLR0913 - as for `load`
    place: str,
    inputs: Inputs,
    splits: Sequence[str],
    config: str | None,
    revision: str | None,
    text: str | list[str],
    tokenizer: str,
    max_length: int,
    pad_to: int | None,
) -> Source:
    """Reads the texts of a split without labels.

    Args:
        place: a folder or a name, as for `load`.
        inputs: what the network takes.
        splits: names of splits in order of preference.
        config: as for `load`, like the following.
        revision: the branch, tag or commit of a name.
        text: the column with the text, or several.
        tokenizer: makes tokens of the texts.
        max_length: tokens that a text keeps.
        pad_to: tokens that every batch is padded to.
    """
    words, found = known_tokenizer(tokenizer, max_length, inputs), opened(place, config, revision)
    wanted = [SPLIT_NAMES.get(name, name) for name in splits]
    name = next((name for name in wanted if name in found), wanted[0] or WHOLE)
    refuse_split(place, found, name, "--split")
    columns = {"dataset.text": text_columns(text)}
    refuse_kinds(place, found[name], columns)
    source, _ = sentences_of(place, name, found[name], columns, words, pad_to)
    source.targets = np.full(len(source), UNKNOWN)
    return source


def refuse_split(path: str, found: Mapping[str, Any], name: str, option: str) -> None:
    """Raises a ValueError if a data set has no split of a name, with those that it has."""
    if name not in found:
        raise ValueError(f"{option} names the split {name!r}, but {path} has: {', '.join(found)}")


def refuse_kinds(path: str, split: Any, columns: Mapping[str, Sequence[str]]) -> None:
    """Raises a ValueError if a column is missing, or one with texts holds something else."""
    for option, names in columns.items():
        for name in names:
            refuse_absent(path, split.column_names, name, option)
    for name in columns["dataset.text"]:
        kind = split.features[name]
        if getattr(kind, "dtype", None) not in ("string", "large_string") or type(kind).__name__ != "Value":
            kinds = f"{type(kind).__name__} ({getattr(kind, 'dtype', 'of its own')})"
            raise ValueError(
                f"dataset.text names the column {name!r} of {path}, which holds {kinds} and no texts; name another, or "
                "for pictures save them as files and use dataset=image_folder"
            )


def sentences_of(  # noqa: PLR0913 - a split, and how it is read and passed on
    path: str,
    name: str,
    split: Any,
    columns: Mapping[str, list[str]],
    words: Tokenizer,
    pad_to: int | None,
    length_buckets: int | None = None,
) -> tuple[Ragged, pd.DataFrame]:
    """Returns the texts of a split, encoded and without labels, and the column of labels if it is wanted."""
    files = [Path(each["filename"]) for each in split.cache_files]
    content = digest_of(content_of(*files), name, len(split))
    labels = columns.get("dataset.label", [])
    found, table = read_once(partial(parts_of, split), content, columns["dataset.text"], labels, words)
    refuse_empty_texts(f"{path}, split {name}", found.hashes_N)
    targets = np.full(len(found), UNKNOWN)
    return Ragged(found.entries_E, found.offsets, targets, None, pad_to, length_buckets), table


def parts_of(split: Any, columns: list[str]) -> Iterator[pd.DataFrame]:
    """Yields some columns of a split, some rows at a time."""
    yield from split.select_columns(columns).with_format("pandas").iter(batch_size=ROWS_AT_ONCE)


def numbered(
    path: str, label: str, splits: Mapping[str, Any], read: Mapping[str, tuple[Ragged, pd.DataFrame]]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Returns the classes (C,), and the class number of each row (N,) of every split.

    The classes of a ClassLabel have its names and order, all others are in the order of their text.

    Raises:
        ValueError: if rows have no label, or splits disagree on what numbers mean.
    """
    tables = {key: table for key, (_, table) in read.items()}
    for key, table in tables.items():
        refuse_unlabelled(f"{path}, {key} split", table[label], splits[key].features[label], key == "train")
    names = {key: getattr(split.features[label], "names", None) for key, split in splits.items()}
    if len({str(each) for each in names.values()}) > 1:
        raise ValueError(f"{path}: the splits call the classes of column {label!r} differently: {names}; save it again")
    if names["train"] is not None:
        numbers = {key: np.array(table[label].fillna(UNKNOWN), dtype=np.int64) for key, table in tables.items()}
        return np.array(names["train"]), numbers
    classes, all_numbers = class_column(path, pd.concat([*tables.values()], ignore_index=True), label)
    ends = np.cumsum([len(table) for table in tables.values()])
    return classes, dict(zip(tables, np.split(all_numbers, ends[:-1]), strict=True))


def refuse_unlabelled(where: str, labels: "pd.Series[Any]", kind: Any, pool: bool) -> None:
    """Raises a ValueError if rows have the label -1, as test sets of competitions do, or none.

    A column of plain numbers may have a class called -1, but not that alone; and some rows of a pool may have none.
    """
    empty, ended = labels.isna(), labels == UNKNOWN
    if hasattr(kind, "names") or (empty | ended).all():
        empty |= ended
    none = np.flatnonzero(empty)
    if len(none) and (not pool or len(none) == len(labels)):
        raise ValueError(
            f"{where}: {len(none):,} of {len(labels):,} rows have no label (-1 or none; first: {none[:5].tolist()}); "
            "choose another split, or leave these rows out"
        )
