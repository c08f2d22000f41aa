"""Which pictures lie in class folders: a million files are listed once and remembered until a folder changes.

The index is a file in calrun's cache; without it, or where a folder has changed since, the folder is listed again.
"""

import hashlib
import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from calrun.dataset.image_folder import SUFFIXES, is_text
from calrun.machine.files import replace_file
from calrun.places import cache_folder

VERSION = 1  # of the index: another number discards all of it
SETTLED_SECONDS = 2.0  # age below which a folder may change again within one tick of its clock

Index = dict[str, tuple[int, list[str]]]  # of each folder: its time of change (ns) and its files


def indexed(root: Path, folders: Sequence[str]) -> dict[str, list[str]]:
    """Returns the sorted names of the pictures in each of some folders below `root`; subfolders do not count.

    Args:
        root: where the folders are.
        folders: names relative to it.

    Raises:
        OSError: if a folder cannot be listed.
        ValueError: if a file's name could not be written into the files of a run.
    """
    path, now = index_file(root), time.time_ns()
    known = read_index(path)
    found: Index = {}
    for name in folders:
        changed = (root / name).stat().st_mtime_ns
        before = known.get(name)
        same = before is not None and before[0] == changed
        found[name] = (changed, before[1] if same and before is not None else listed(root / name))
    settled = {name: own for name, own in found.items() if own[0] < now - SETTLED_SECONDS * 1e9}
    if any(known.get(name) != own for name, own in settled.items()):
        write_index(path, {**known, **settled})
    return {name: files for name, (_, files) in found.items()}


def listed(folder: Path) -> list[str]:
    """Returns the sorted names of the pictures in a folder."""
    with os.scandir(folder) as entries:
        names = sorted(
            entry.name
            for entry in entries
            if entry.name[0] != "." and entry.name.lower().endswith(SUFFIXES) and entry.is_file()
        )
    unnamable = [name for name in names if not is_text(name)]
    if unnamable:
        raise ValueError(
            f"{len(unnamable)} pictures in {folder} have names that are not UTF-8 or hold a line break (first: "
            f"{unnamable[0]!a}); rename them"
        )
    return names


def index_file(root: Path) -> Path:
    """Returns where the index of a folder's pictures is kept."""
    asked = json.dumps([VERSION, os.path.realpath(root)])
    return cache_folder() / f"index-{hashlib.sha256(asked.encode()).hexdigest()[:16]}.json"


def read_index(path: Path) -> Index:
    """Returns what earlier runs have listed; nothing if it cannot be read."""
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {name: (int(changed), [str(file) for file in files]) for name, (changed, files) in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError, RuntimeError):
        return {}


def write_index(path: Path, index: Index) -> None:
    """Writes the index where that is possible."""
    text = json.dumps(index, separators=(",", ":"))
    with suppress(OSError, RuntimeError):
        replace_file(path, lambda beside: beside.write_text(text, encoding="utf-8"), durable=False, shared=True)
