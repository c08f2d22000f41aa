"""Amazon reviews with their polarity (Zhang, Zhao and LeCun 2015): train.csv and test.csv, which nobody downloads here.

As the code of Das et al. 2023: a text is title, space and review as they stand in the file (a line break is a backslash
and an n there), the pool is drawn from the training file once for all seeds, and test.csv is the test set. Their draw
is of another generator, so the rows are others. All rows are encoded once, so that another draw reads nothing.

Dimension key: N reviews.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calrun.dataset.base import UNKNOWN, Dataset, Inputs, Source
from calrun.dataset.check.split import refuse_unseen
from calrun.dataset.read.frame import readable
from calrun.dataset.source.ragged import Ragged
from calrun.dataset.source.subset import Subset
from calrun.dataset.text.checks import refuse_empty_texts
from calrun.dataset.text.encoded import content_of
from calrun.dataset.text.once import BETWEEN, read_once
from calrun.dataset.text.tokens import Tokenizer, known_tokenizer, tokenizer_of
from calrun.rng import numpy_rng

FILES = {"train": "train.csv", "test": "test.csv"}
ARCHIVE = "amazon_review_polarity_csv.tgz"
CLASS, TITLE, REVIEW, TEXT = "class", "title", "review", "text"
CLASSES = {"1": "negative", "2": "positive"}
BLOCK_BYTES = 2**22  # of a file, read at a time
AT_THE_END = 8  # bytes with the last quotation mark and line break


def load(  # noqa: PLR0913 - the draw, the tokens, and the run's seed
    root: str,
    num_train: int,
    split_seed: int | None,
    tokenizer: str,
    max_length: int,
    pad_to: int | None,
    length_buckets: int | None,
    seed: int = 0,
) -> Dataset:
    """Reads the two files.

    Args:
        root: the folder that holds train.csv and test.csv.
        num_train: rows of the pool, drawn from train.csv (3,600,000).
        split_seed: draws the pool, whatever the seed of the run; `None` is that seed.
        tokenizer: `characters`, a folder with a tokenizer of transformers, or its name at huggingface.co.
        max_length: tokens that a review keeps.
        pad_to: tokens that every batch is padded to; `None` is the longest review of each batch.
        length_buckets: batches of an epoch whose rows are sorted by length together, so that little is padding; `None`
            leaves them as they are drawn.
        seed: the run's.

    Raises:
        ValueError: if a file is missing, cut off or of another kind, a review is empty, or there are too few.
    """
    folder, words = folder_of(root), tokenizer_of(tokenizer, max_length)
    train, test = (source_of(folder / file, words, pad_to, length_buckets) for file in FILES.values())
    if not 0 < num_train <= len(train):
        raise ValueError(
            f"dataset.num_train wants 1 to {len(train):,} of the {len(train):,} reviews of {folder / FILES['train']}, "
            f"got {num_train:,}"
        )
    names, rng = [*CLASSES.values()], numpy_rng(seed if split_seed is None else split_seed, 0, "pool")
    pool = Subset(train, np.sort(rng.permutation(len(train))[:num_train]))
    refuse_unseen(str(folder / FILES["train"]), np.array(names), train.targets, {"train": pool.rows})
    return Dataset(pool, {"test": test}, len(names), names, (pad_to or max_length,), vocabulary=words.vocabulary)


def rows(place: str, inputs: Inputs, tokenizer: str, max_length: int, pad_to: int | None) -> Source:
    """Reads the reviews of a file of the same three columns without looking at the first.

    Args:
        place: the file.
        inputs: what the network takes.
        tokenizer: as for `load`.
        max_length: as for `load`.
        pad_to: as for `load`.
    """
    words, path = known_tokenizer(tokenizer, max_length, inputs), Path(place).expanduser()
    if not path.is_file():
        raise ValueError(f"no file {path}; one with the columns class, title and review is wanted there")
    found, _ = read_once(partial(parts_of, path), content_of(path), [TEXT], [], words)
    refuse_empty_texts(str(path), found.hashes_N)
    return Ragged(found.entries_E, found.offsets, np.full(len(found), UNKNOWN), None, pad_to)


def folder_of(root: str) -> Path:
    """Returns the folder with the files.

    Raises:
        ValueError: if one is missing.
    """
    folder = Path(root).expanduser()
    missing = [file for file in FILES.values() if not (folder / file).is_file()]
    if missing:
        raise ValueError(
            f"{folder} has no {' and no '.join(missing)}; unpack {ARCHIVE} of Zhang et al. 2015 and set dataset.root "
            "to its folder"
        )
    return folder


def source_of(path: Path, words: Tokenizer, pad_to: int | None, length_buckets: int | None) -> Ragged:
    """Returns the reviews of a file, encoded."""
    found, table = read_once(partial(parts_of, path), content_of(path), [TEXT], [CLASS], words)
    refuse_empty_texts(str(path), found.hashes_N)
    targets = np.array(table[CLASS], dtype=np.int64)
    return Ragged(found.entries_E, found.offsets, targets, None, pad_to, length_buckets)


def parts_of(path: Path, columns: list[str]) -> Iterator[pd.DataFrame]:
    """Yields class numbers and texts, some rows at a time.

    Raises:
        ValueError: if the file is cut off, has other columns or other classes.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    refuse_cut_off(path)
    wanted, first = ([CLASS] if CLASS in columns else []) + ([TITLE, REVIEW] if TEXT in columns else []), 0
    for batch in batches_of(path, wanted):
        part = {}
        if CLASS in columns:
            part[CLASS] = pc.index_in(batch[CLASS], pa.array([*CLASSES]))
            refuse_others(path, batch[CLASS], part[CLASS], first)
        if TEXT in columns:
            part[TEXT] = pc.binary_join_element_wise(batch[TITLE], batch[REVIEW], BETWEEN)
        first += len(batch)
        yield pa.table(part).to_pandas()


def batches_of(path: Path, columns: list[str]) -> Iterator[Any]:
    """Yields some columns of a file as texts of Arrow, several thousand rows at a time.

    Raises:
        ValueError: if it cannot be read, or some row has not three columns.
    """
    import pyarrow as pa
    from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, open_csv

    names = [CLASS, TITLE, REVIEW]
    with readable(str(path)):
        yield from open_csv(
            path,
            read_options=ReadOptions(column_names=names, block_size=BLOCK_BYTES),
            parse_options=ParseOptions(newlines_in_values=True),
            convert_options=ConvertOptions(column_types=dict.fromkeys(names, pa.string()), include_columns=columns),
        )


def refuse_cut_off(path: Path) -> None:
    """Raises a ValueError if a file does not end with a quotation mark and a line break."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - AT_THE_END))
        end = file.read()
    if end and not end.endswith((b'"\n', b'"\r\n')):
        raise ValueError(
            f"{path} ends with {end.decode(errors='replace')!r} in place of a quotation mark and a line break: it is "
            f"cut off, or its values are not in double quotes; unpack {ARCHIVE} again"
        )


def refuse_others(path: Path, classes: Any, numbers: Any, first: int) -> None:
    """Raises a ValueError if rows have another class than 1 and 2.

    Args:
        path: of the file.
        classes: as written, (N,).
        numbers: from 0, and null for others, (N,).
        first: the number of the first row.
    """
    others = np.flatnonzero(numbers.is_null())
    if len(others):
        came = [classes[int(row)].as_py() for row in others[:5]]
        raise ValueError(
            f"{path} wants 1 or 2 in its first column, the class, but rows {(first + others[:5]).tolist()} (counted "
            f"from 0) have {came}; unpack {ARCHIVE} again, or use dataset=text_table for a table of your own"
        )
