"""What a cell is: acquisition, data, budget and seed, the arena's settings, and the code of player and acquisition.

Code counts by the syntax trees of the modules that a module leads to, the user's and calrun's, without docstrings and
comments; modules that only say sentences, write files or own signals count for nothing.
"""

import hashlib
import json
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from calrun.arena.entrants import Entrant
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


def who_plays(entrant: Entrant) -> dict[str, Any]:
    """Returns the part of a cell's identity that all cells of an acquisition share, as plain values."""
    tree = {
        "acquisition": entrant.name,
        "configuration": entrant.decides(),
        "code": code_of(tuple(sorted({*targets(entrant.node)}))),
        "player": code_of((PLAYER,)),
    }
    plain: dict[str, Any] = json.loads(json.dumps(tree))  # as a record gives it back
    return plain


@cache
def code_of(names: tuple[str, ...]) -> str:
    """Returns one digest of the code that some dotted names lead to."""
    waiting, found = [*names], dict[str, str]()
    while waiting:
        for name, origin, is_package in modules_of(waiting.pop()):
            if name not in found:
                found[name], further = read_module(origin, name, is_package)
                waiting += further
    return short_digest(found)


@cache
def modules_of(dotted: str) -> tuple[tuple[str, str, bool], ...]:
    """Returns the modules of a dotted name whose code counts: name, file, and whether it is a package."""
    specs = [spec for spec in specs_of(dotted) if counts(spec)]
    return tuple((spec.name, str(spec.origin), spec.submodule_search_locations is not None) for spec in specs)


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
