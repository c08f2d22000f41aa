"""Whether a map of features is still what was computed: its checksum is compared once, until its file changes.

Reading is cheap beside a pass of a backbone, but not for each of a hundred runs of a sweep: which file had which
checksum is remembered in the user's cache, by place, size, times and inode. A disk that loses bits without writing is
found by `calrun features verify`, which always reads.

Dimension key: N rows, D features.
"""

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from zlib import crc32

import numpy as np

from calrun.feature_store.keep.kept import Kept
from calrun.folder.content import SETTLED_SECONDS, digest, encoded, file_at
from calrun.machine.files import replace_text
from calrun.places import cache_folder
from calrun.text.doing import now

CHECKED_BYTES = 2**26  # bytes of a map that are read at a time


def refuse_changed(kept: Kept, mapped_ND: np.ndarray) -> None:
    """Refuses a map whose numbers are not those that were computed; it is read unless that is remembered.

    Raises:
        ValueError: if it has another checksum than the file beside it says.
    """
    memory, stamp = memory_of(kept), stamp_of(kept)
    found = remembered(memory, stamp)
    if found is None:
        now.text = f"reads {mapped_ND.nbytes / 2**20:,.0f} MiB of features for their checksum"
        found = map_checksum(mapped_ND)
        now.text = ""
        remember(memory, stamp, found)
    if problem := other_checksum(kept, found):
        raise ValueError(problem)


def other_checksum(kept: Kept, found: int) -> str:
    """Returns what is wrong with a map of this checksum; nothing if it is the one that it was computed with."""
    if found == kept.said().get("checksum"):
        return ""
    return f"{kept.path} has changed since it was computed (its checksum differs); {kept.remedy}"


def map_checksum(mapped_ND: np.ndarray) -> int:
    """Returns the CRC-32 of a map's numbers, read in order."""
    rows, checksum = max(1, CHECKED_BYTES // max(1, mapped_ND[:1].nbytes)), 0
    for start in range(0, len(mapped_ND), rows):
        checksum = crc32(np.ascontiguousarray(mapped_ND[start : start + rows]).view(np.uint8).data, checksum)
    return checksum


def stamp_of(kept: Kept) -> list[int]:
    """Returns numbers that writing to a map changes: size, times, inode."""
    path = os.path.realpath(kept.path)
    return [*file_at(path, "", os.stat(path)).stamp]  # noqa: PTH116 - as in calrun.folder.content


def memory_of(kept: Kept) -> Path:
    """Returns where the checksum of a map is remembered."""
    return cache_folder() / "features" / f"{digest([encoded(os.path.realpath(kept.path))])}.json"


def remembered(memory: Path, stamp: Sequence[int]) -> int | None:
    """Returns the checksum that a file with this stamp had; `None` if nobody knows."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        said = json.loads(memory.read_text(encoding="utf-8"))
        return int(said["checksum"]) if said["stamp"] == stamp else None
    return None


def remember(memory: Path, stamp: Sequence[int], checksum: int) -> None:
    """Notes a checksum, unless the file may be written again within one tick of its clock."""
    if max(stamp[1:3]) > time.time_ns() - int(SETTLED_SECONDS * 1e9):
        return
    with suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        replace_text(memory, json.dumps({"stamp": stamp, "checksum": checksum}))
