"""CoLA, the Corpus of Linguistic Acceptability (Warstadt et al. 2019): the authors' files, which nobody downloads here.

As the code of Das et al. 2023: the pool is drawn from the in-domain training file by the run's seed, and the rest of
that file is the test set. The public development files are further test sets, in and out of domain.

Dimension key: N sentences.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from calrun.dataset.base import UNKNOWN, Dataset, Inputs, Source
from calrun.dataset.source.ragged import Ragged
from calrun.dataset.source.subset import Subset
from calrun.dataset.text.checks import refuse_empty_texts
from calrun.dataset.text.encoded import content_of
from calrun.dataset.text.once import read_once
from calrun.dataset.text.tokens import Tokenizer, known_tokenizer, tokenizer_of
from calrun.rng import numpy_rng

FILES = {"train": "in_domain_train.tsv", "in_domain": "in_domain_dev.tsv", "out_of_domain": "out_of_domain_dev.tsv"}
CLASS_NAMES = ["unacceptable", "acceptable"]
COLUMNS = 4  # source, label, the label's mark in that source, sentence


def load(  # noqa: PLR0913 - the split, the tokens, and the run's seed
    root: str,
    num_train: int,
    split_seed: int | None,
    tokenizer: str,
    max_length: int,
    pad_to: int | None,
    length_buckets: int | None,
    seed: int = 0,
) -> Dataset:
    """Reads the three files.

    Args:
        root: the folder that holds in_domain_train.tsv, in_domain_dev.tsv and out_of_domain_dev.tsv, or a folder
            `raw` with them.
        num_train: rows of the pool; the rest of the training file is the test set.
        split_seed: draws the pool, whatever the seed of the run; `None` is that seed.
        tokenizer: `characters`, a folder with a tokenizer of transformers, or its name at huggingface.co.
        max_length: tokens that a sentence keeps.
        pad_to: tokens that every batch is padded to; `None` is the longest sentence of each batch.
        length_buckets: batches of an epoch whose rows are sorted by length together, so that little is padding; `None`
            leaves them as they are drawn.
        seed: the run's.

    Raises:
        ValueError: if a file is missing or is none of CoLA's, or there are too few sentences.
    """
    folder, words = folder_of(root), tokenizer_of(tokenizer, max_length)
    sources = {name: source_of(folder / file, words, pad_to, length_buckets) for name, file in FILES.items()}
    total = len(sources["train"])
    if not 0 < num_train < total:
        raise ValueError(f"dataset.num_train wants 1 to {total - 1:,} of the {total:,} sentences, got {num_train}")
    order = numpy_rng(seed if split_seed is None else split_seed, 0, "pool").permutation(total)
    train, test = (Subset(sources["train"], np.sort(part)) for part in (order[:num_train], order[num_train:]))
    tests: dict[str, Source] = {"test": test, **{name: sources[name] for name in ("in_domain", "out_of_domain")}}
    length = pad_to or max_length
    return Dataset(train, tests, len(CLASS_NAMES), CLASS_NAMES, (length,), vocabulary=words.vocabulary)


def rows(place: str, inputs: Inputs, tokenizer: str, max_length: int, pad_to: int | None) -> Source:
    """Reads the sentences of one file of the corpus without their labels.

    Args:
        place: the file.
        inputs: what the network takes.
        tokenizer: as for `load`.
        max_length: as for `load`.
        pad_to: as for `load`.
    """
    words = known_tokenizer(tokenizer, max_length, inputs)
    source = source_of(Path(place).expanduser(), words, pad_to)
    source.targets = np.full(len(source), UNKNOWN)
    return source


def folder_of(root: str) -> Path:
    """Returns the folder with the files.

    Raises:
        ValueError: if one is missing.
    """
    place = Path(root).expanduser()
    folder = place / "raw" if (place / "raw").is_dir() else place
    missing = [file for file in FILES.values() if not (folder / file).is_file()]
    if missing:
        raise ValueError(
            f"{folder} has no {' and no '.join(missing)}; get cola_public_1.1.zip from https://nyu-mll.github.io/CoLA, "
            "and set dataset.root to its folder raw"
        )
    return folder


def source_of(path: Path, words: Tokenizer, pad_to: int | None, length_buckets: int | None = None) -> Ragged:
    """Returns the sentences of a file, encoded."""
    found, table = read_once(lambda columns: iter([read(path)[columns]]), content_of(path), ["text"], ["class"], words)
    refuse_empty_texts(str(path), found.hashes_N)
    names = [f"{path.name}:{number + 1}" for number in range(len(found))]
    targets = np.array(table["class"], dtype=np.int64)
    return Ragged(found.entries_E, found.offsets, targets, names, pad_to, length_buckets)


def read(path: Path) -> pd.DataFrame:
    """Returns the columns text and class of a file.

    It has four columns with tabs between them, no header, and quotation marks that mean nothing.

    Raises:
        ValueError: if lines are something else, with the first of them.
    """
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}); get the file again") from error
    rows = [line.split("\t") for line in lines]
    bad = [number + 1 for number, row in enumerate(rows) if len(row) != COLUMNS or row[1] not in ("0", "1")]
    if bad:
        raise ValueError(
            f"{path} wants {COLUMNS} columns with tabs between them, the second 0 or 1, but {len(bad):,} lines of "
            f"{len(rows):,} are others (first: {bad[:5]}); get the file again"
        )
    return pd.DataFrame({"text": [row[3] for row in rows], "class": [int(row[1]) for row in rows]})
