"""Texts that are encoded once: their tokens lie in the user's cache under what they were made from, and are mapped.

Dimension key: N texts, E tokens of all texts.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from calrun.dataset.text.tokens import Tokenizer, digest_of
from calrun.folder.content import SAMPLE_ABOVE_BYTES, fingerprint
from calrun.places import cache_folder
from calrun.text.say import warn

VERSION = 1  # of what is kept: another number encodes everything anew
SAY_SECONDS = 10.0
LEFT_SECONDS = 24 * 3600.0
EMPTY = np.uint64(0)  # in place of the hash of a text without a word
ENTRIES, OFFSETS, HASHES = "entries.bin", "offsets.npy", "hashes.npy"

Texts = Callable[[], Iterator[Sequence[str]]]


@dataclass(frozen=True)
class Encoded:
    """The tokens of texts.

    Args:
        entries_E: of all texts, one after the other.
        offsets: int64 (N + 1,), where each text begins, and where the last one ends.
        hashes_N: uint64, alike for the same texts; EMPTY for those that hold nothing but blanks.
    """

    entries_E: np.ndarray
    offsets: np.ndarray
    hashes_N: np.ndarray

    def __len__(self) -> int:
        return len(self.hashes_N)


def content_of(*paths: Path) -> str:
    """Returns a digest of what files hold; of files too large to be read whole, also of when they were written."""
    seen = [path.stat() for path in paths]
    times = [each.st_mtime_ns for each in seen] if sum(each.st_size for each in seen) > SAMPLE_ABOVE_BYTES else []
    read = fingerprint(paths)
    return digest_of(read.names, read.content, times)


def encoded(texts: Texts, content: str, tokenizer: Tokenizer) -> Encoded:
    """Returns the tokens of texts, from the cache if they have been encoded before.

    Where the cache cannot be written, they lie in a temporary file that ends with the process.

    Args:
        texts: yields them in parts, when they are wanted.
        content: a digest of where they come from.
        tokenizer: encodes them.
    """
    place = cache_folder() / "texts" / digest_of(VERSION, content, tokenizer.digest)
    with suppress(OSError, ValueError):
        return kept_in(place, tokenizer)
    beside = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        beside.mkdir(parents=True, exist_ok=True)
        sweep(place.parent)
    except OSError:
        return in_passing(texts, tokenizer)
    try:
        with (beside / ENTRIES).open("wb") as file:
            offsets, hashes_N = written(texts, tokenizer, file)
        np.save(beside / OFFSETS, offsets)
        np.save(beside / HASHES, hashes_N)
        with suppress(OSError):
            shutil.rmtree(place, ignore_errors=True)  # damaged, or we would have read it
            beside.rename(place)  # or another process was first: what it has written is the same
        return kept_in(place, tokenizer)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Removes what processes have left that were killed while they encoded, once nobody has written to it for a day."""
    for left in folder.glob(".*.part"):
        with suppress(OSError):  # it has gone
            written_to = max(path.stat().st_mtime for path in (left, *left.iterdir()))
            if time.time() - written_to > LEFT_SECONDS:
                shutil.rmtree(left)


def kept_in(place: Path, tokenizer: Tokenizer) -> Encoded:
    """Returns what an earlier run has encoded.

    Raises:
        OSError: if there is nothing.
        ValueError: if it is not whole.
    """
    offsets, hashes_N = np.load(place / OFFSETS, mmap_mode="r"), np.load(place / HASHES)
    entries_E: np.ndarray = np.memmap(place / ENTRIES, tokenizer.kept_as, mode="r")
    if len(offsets) != len(hashes_N) + 1 or int(offsets[-1]) != len(entries_E):
        raise ValueError(f"{place} is not whole")
    return Encoded(entries_E, offsets, hashes_N)


def in_passing(texts: Texts, tokenizer: Tokenizer) -> Encoded:
    """Returns tokens that lie in a file without a name, which ends with the process."""
    with tempfile.TemporaryFile() as file:
        offsets, hashes_N = written(texts, tokenizer, file)
        file.flush()
        return Encoded(np.memmap(file, tokenizer.kept_as, mode="r"), offsets, hashes_N)


def written(texts: Texts, tokenizer: Tokenizer, file: BinaryIO) -> tuple[np.ndarray, np.ndarray]:
    """Writes the tokens of all texts into a file; returns their offsets (N + 1,) and hashes (N,)."""
    lengths, hashes = [np.zeros(1, dtype=np.int64)], [np.empty(0, dtype=np.uint64)]
    said, count = time.monotonic(), 0
    for part in texts():
        tokens_E, lengths_N = tokenizer.encode(part)
        file.write(np.ascontiguousarray(tokens_E).view(np.uint8).data)
        lengths.append(lengths_N)
        hashes.append(hashes_of(part))
        count += len(part)
        if time.monotonic() - said > SAY_SECONDS:
            said = time.monotonic()
            warn(f"{count:,} texts are encoded, once for all runs")
    if not count:
        raise ValueError("there are no texts to encode; give some")
    return np.cumsum(np.concatenate(lengths)), np.concatenate(hashes)


def hashes_of(texts: Sequence[str]) -> np.ndarray:
    """Returns a hash of each text (N,), EMPTY if it holds nothing but blanks."""
    hashes_N: np.ndarray = pd.util.hash_array(np.array(texts, dtype=object), categorize=False)
    hashes_N[hashes_N == EMPTY] = 1
    hashes_N[[not text or text.isspace() for text in texts]] = EMPTY
    return hashes_N
