"""What files hold, as short fingerprints: the same for the same bytes, wherever and whenever they were written.

A file counts as its bytes, a folder as the relative names, sizes and bytes of its files, a `.gz` as what is packed in
it. Hidden files are skipped. Modification times only tell which files need not be read again.
"""

import gzip
import hashlib
import json
import os
import stat
import time
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, Literal

from calrun.places import cache_folder

Check = Literal["all", "sample", "off"]
CHECKS: tuple[Check, ...] = ("all", "sample", "off")
SAMPLE_ABOVE_BYTES = 2**30  # size up to which `sample` reads everything
SAMPLED_FILES = 1000
SAMPLED_BLOCKS = 64  # blocks that are read of one large file
BLOCK_BYTES = 2**20
SETTLED_SECONDS = 2.0  # age below which a file may be written again within one tick of its clock
DIGEST_BYTES = 8
PACKED = ".gz"


@dataclass(frozen=True)
class Fingerprint:
    """What tells some files from others.

    Args:
        names: a digest of relative names and sizes.
        content: a digest of the bytes; `None` if they were not read.
        read: how much of the bytes was read: `all`, `sample`, or `off` for none.
        files: how many files there are.
        size: their size in bytes.
    """

    names: str
    content: str | None
    read: Check
    files: int
    size: int

    def differs_from(self, other: "Fingerprint") -> bool:
        """Tells whether the files differ; bytes count only if both have read the same share of them."""
        if self.names != other.names:
            return True
        return self.read == other.read and self.content != other.content

    def __str__(self) -> str:
        return (
            f"{self.files} {'file' if self.files == 1 else 'files'}, {self.size:,} bytes, {self.content or self.names}"
        )


@dataclass(frozen=True)
class File:
    """One file of a fingerprint: its name there, where it lies, its unpacked size, and a stamp that writing changes."""

    name: str
    path: str
    size: int
    stamp: tuple[int, int, int, int]


def fingerprint(places: Iterable[Path], check: Check = "sample") -> Fingerprint:
    """Returns the fingerprint of the files at and below `places`.

    Args:
        places: files and folders, in an order that is part of the fingerprint.
        check: `all` reads every byte, `sample` only a seeded sample beyond SAMPLE_ABOVE_BYTES, `off` names and sizes.

    Raises:
        OSError: if a place is missing or a file cannot be read.
        ValueError: if a place is neither a file nor a folder.
    """
    places = list(places)
    files = [file for number, place in enumerate(places) for file in files_of(place, f"{number}:")]
    size = sum(file.size for file in files)
    names = digest(encoded(f"{file.name}\0{file.size}\n") for file in files)
    if check == "off":
        return Fingerprint(names, None, "off", len(files), size)
    sampled = check == "sample" and size > SAMPLE_ABOVE_BYTES
    chosen = sample_of(files) if sampled else files
    digests = Remembered(places).digests(chosen, sampled)
    content = digest(encoded(f"{file.name}\0{digests[file.path]}\n") for file in chosen)
    return Fingerprint(names, content, "sample" if sampled else "all", len(files), size)


def files_of(place: Path, beginning: str = "") -> list[File]:
    """Returns the files at or below a place in the order of their names.

    Raises:
        OSError: if the place is missing or a folder cannot be read.
        ValueError: if the place is neither a file nor a folder.
    """
    top = os.path.realpath(place)
    if not os.path.isdir(top):  # noqa: PTH112 - texts and not paths: there may be a million of them
        seen = os.stat(top)  # noqa: PTH116
        if not stat.S_ISREG(seen.st_mode):
            raise ValueError(f"{place} is neither a file nor a folder, so its content cannot be known; name a file")
        return [file_at(top, beginning, seen)]
    found: dict[str, File] = {}
    for path, seen in below(top):
        file = file_at(path, beginning + path[len(top) :].lstrip(os.sep).replace(os.sep, "/"), seen)
        if file.name not in found or not path.endswith(PACKED):
            found[file.name] = file  # a plain file comes before its packed copy, as for loaders
    return [found[name] for name in sorted(found)]


def below(top: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yields the files below a folder, through links.

    Skips folders met twice, links to nothing, and whatever is not a file, such as a pipe, which would never answer.
    """
    waiting, met = [top], set[tuple[int, int]]()
    while waiting:
        folder = waiting.pop()
        seen = os.stat(folder)  # noqa: PTH116
        if (seen.st_dev, seen.st_ino) in met:
            continue
        met.add((seen.st_dev, seen.st_ino))
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=attrgetter("name")):
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    waiting.append(entry.path)
                elif entry.is_file():
                    yield entry.path, entry.stat()


def file_at(path: str, name: str, seen: os.stat_result) -> File:
    """Returns a file with its unpacked size in bytes."""
    stamp = (seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino)
    if not path.endswith(PACKED):
        return File(name, path, seen.st_size, stamp)
    with open(path, "rb") as packed:  # noqa: PTH123
        packed.seek(max(0, seen.st_size - 4))
        return File(name.removesuffix(PACKED), path, int.from_bytes(packed.read(4), "little"), stamp)


def sample_of(files: list[File]) -> list[File]:
    """Returns a sample of files, the same for the same number of them."""
    if len(files) <= SAMPLED_FILES:
        return files
    from calrun.rng import numpy_rng  # here, because numpy is slow to import and most data is read whole

    chosen = numpy_rng(0, len(files), "files to read").choice(len(files), SAMPLED_FILES, replace=False)
    return [files[number] for number in sorted(chosen.tolist())]


class Remembered:
    """Digests of files that have been read before, kept in the user's cache; without them everything is read.

    Args:
        places: the files and folders that the fingerprint covers.
    """

    def __init__(self, places: list[Path]) -> None:
        name = digest(encoded(f"{os.path.realpath(place)}\n") for place in places)
        self.path = cache_folder() / "content" / f"{name}.json"

    def digests(self, files: list[File], sampled: bool) -> dict[str, str]:
        """Returns the digest of each file's bytes, reading those that are new or have changed."""
        known = self._load()
        found = {file.path: known[key] for file in files if (key := key_of(file, sampled)) in known}
        unread = [file for file in files if file.path not in found]
        if not unread:
            return found
        pool = ThreadPoolExecutor()
        try:
            found |= zip(
                [file.path for file in unread], pool.map(lambda file: read(file, sampled), unread), strict=True
            )
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # a signal waits for no file, not even one that hangs
        settled = time.time_ns() - int(SETTLED_SECONDS * 1e9)
        self._save(
            known | {key_of(file, sampled): found[file.path] for file in unread if max(file.stamp[1:3]) < settled}
        )
        return found

    def _load(self) -> dict[str, str]:
        with suppress(OSError, ValueError):
            known = json.loads(self.path.read_text(encoding="utf-8"))
            return known if isinstance(known, dict) else {}
        return {}

    def _save(self, known: dict[str, str]) -> None:
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
            beside.write_text(json.dumps(known), encoding="utf-8")
            beside.replace(self.path)


def key_of(file: File, sampled: bool) -> str:
    """Returns the key that a file's digest is remembered under."""
    return f"{file.path}\0{file.stamp}\0{sampled}"


def read(file: File, sampled: bool) -> str:
    """Returns the digest of a file's bytes, or of a sample of them if the file is large and `sampled` is true."""
    if file.path.endswith(PACKED):
        with suppress(OSError, EOFError, zlib.error), gzip.open(file.path) as unpacked:
            return digest(blocks(unpacked))
    with open(file.path, "rb") as opened:  # noqa: PTH123
        if sampled and file.size > SAMPLED_BLOCKS * BLOCK_BYTES:
            return digest(sampled_blocks(opened, file.size))
        return digest(blocks(opened))


def blocks(opened: "BinaryIO | gzip.GzipFile") -> Iterator[bytes]:
    while block := opened.read(BLOCK_BYTES):
        yield block


def sampled_blocks(opened: BinaryIO, size: int) -> Iterator[bytes]:
    """Yields the first and the last block of a file and others at offsets that its size decides."""
    from calrun.rng import numpy_rng

    inner = numpy_rng(0, 0, "blocks to read", size).integers(0, size - BLOCK_BYTES, SAMPLED_BLOCKS - 2)
    for offset in (0, *sorted(inner.tolist()), size - BLOCK_BYTES):
        opened.seek(offset)
        yield opened.read(BLOCK_BYTES)


def encoded(text: str) -> bytes:
    """Returns a text with file names in it as bytes; the system's names need not be UTF-8."""
    return text.encode(errors="surrogateescape")


def digest(parts: Iterable[bytes]) -> str:
    """Returns a short digest of bytes that come in parts."""
    made = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        made.update(part)
    return made.hexdigest()
