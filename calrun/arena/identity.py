"""What a cell is: its acquisition, data, budget and seed, the arena's settings, and the code of player and acquisition.

Code counts by the syntax trees of the modules that a module leads to, the user's and calrun's, without docstrings and
comments; modules that only say sentences, write files or own signals count for nothing.
"""

import hashlib
import json
from dataclasses import asdict
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from calrun.arena.entrants import Entrant
from calrun.arena.settings import Settings
from calrun.folder.code import OURS, digest, imports, is_users, parse, specs_of, targets

PLAYER = "calrun.arena.player"
SILENT = (
    "calrun.arena.sets",
    "calrun.machine",
    "calrun.text",
    "calrun.places",
    "calrun.errors",
    "calrun.dataset.check",
)
DIGEST_BYTES = 8


def cell_identity(
    entrant: Entrant, where: tuple[str, str], budget: tuple[str, list[int]], seed: int, settings: Settings
) -> dict[str, Any]:
    """Returns what decides a cell's numbers, as plain values.

    Args:
        entrant: the acquisition.
        where: the data set's name and the digest of its numbers.
        budget: its name and the labels of each round.
        seed: of the cell.
        settings: of the arena.
    """
    tree = {
        "acquisition": entrant.name,
        "configuration": entrant.decides(),
        "code": code_of(tuple(sorted({*targets(entrant.node)}))),
        "player": code_of((PLAYER,)),
        "set": where[0],
        "data": where[1],
        "budget": budget[0],
        "labels": budget[1],
        "seed": seed,
        "settings": asdict(settings),
    }
    plain: dict[str, Any] = json.loads(json.dumps(tree))  # as a record gives it back
    return plain


@cache
def code_of(names: tuple[str, ...]) -> str:
    """Returns one digest of the code that some dotted names lead to."""
    waiting, found = [*names], dict[str, str]()
    while waiting:
        for spec in specs_of(waiting.pop()):
            if spec.name in found or not counts(spec):
                continue
            found[spec.name], further = read_module(str(spec.origin), spec.name, bool(spec.submodule_search_locations))
            waiting += further
    return short_digest(found)


def counts(spec: ModuleSpec) -> bool:
    """Tells whether a module's code can change what a cell measures."""
    ours = bool(spec.origin) and OURS in Path(str(spec.origin)).parents
    silent = any(spec.name == name or spec.name.startswith(f"{name}.") for name in SILENT)
    return (ours and not silent) or is_users(spec)


@cache
def read_module(origin: str, name: str, is_package: bool) -> tuple[str, tuple[str, ...]]:
    """Returns a module's digest, and the names that it imports."""
    parsed = parse(Path(origin))
    if parsed is None:
        return "unreadable", ()
    spec = ModuleSpec(name, None, origin=origin, is_package=is_package)
    return digest(parsed), tuple(imports(parsed, spec))


def short_digest(tree: Any) -> str:
    """Returns sixteen hexadecimal digits of plain values."""
    return hashlib.blake2b(json.dumps(tree, sort_keys=True).encode(), digest_size=DIGEST_BYTES).hexdigest()


def difference(expected: dict[str, Any], came: dict[str, Any]) -> str:
    """Returns which parts of two identities differ, in words; empty if none does."""
    words = {"code": "code of its acquisition", "player": "code of the arena's player", "labels": "label counts"}
    keys = [
        key for key in [*expected, *(key for key in came if key not in expected)] if expected.get(key) != came.get(key)
    ]
    return ", ".join(words.get(key, key) for key in keys)
