"""What a run is: a configuration, the bytes that it names, and the user's own code. Only this module decides that.

The folder's name depends on what decides the result: the configuration with canonical numbers, and the bytes of the
small files it names (a checkpoint, initial rows). It does not depend on where things lie, how much memory and how many
workers there are, what is recorded, or how many rounds are played, be it by the budget or by a stopping rule. The data
set and the user's code are compared with what the folder was begun on, before the run is said to be finished and before
it goes on.
"""

import ast
import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from calrun.folder.code import sources, targets, user_code
from calrun.folder.content import CHECKS, Check, Fingerprint, fingerprint

RESULTS = 3  # number that goes up with every change of calrun that changes what runs measure
NEUTRAL_BLOCKS = ("paths", "logger", "record", "experiment_name", "data_files", "hydra", "stop_al")
NEUTRAL_KEYS = ("checkpoint_every_seconds", "num_workers", "memory_gib", "download", "whose")
NEUTRAL_LEAVES = ("dataset.check",)
AUGMENT = "dataset.augment"  # counts only where it is off, as in runs from before there was such a key
LAST_BATCH = "trainer.last_batch"  # likewise where it is keep
USUAL = {AUGMENT: True, LAST_BATCH: "keep"}  # what they are where they do not count
STORE_FOLDER = "feature_store.folder"
WITHOUT_STORE = "calrun.feature_store.none.InMemory"  # counts as no store at all, as in runs from before there were any
ROUNDS = "budget.rounds"
HEADER = (  # what config.yaml holds besides the configuration and the data set's checksum
    *("run_id", "nameless_id", "data_places", "data_files_are", "code", "code_changes", "results"),
    *("experiment", "cheats", "class_names", "unknown_classes", "choices", "complete"),
)
PLACES = ("root", "path", "file", "folder", "checkpoint")  # last words of keys whose values are places on disk
TOKENIZER = "tokenizer"  # of a data set: a name, or a folder that counts as its bytes
FOLDERS = ("root", "folder")  # those that, outside the data set, may hold the run's own files
OURS = ("calrun.", "torch.")  # beginnings of classes to which 1 and 1.0 mean the same


@dataclass(frozen=True)
class Identity:
    """What a run is, as far as it is known without loading anything.

    Args:
        run_id: a short hash of what decides the result.
        nameless_id: the same without the names of the data set's files.
        places: the absolute places of the data set's files; empty if it is made in memory.
        data: the fingerprint of what lies there; `None` if it cannot be read.
        code: a digest of each file of the user's own code, by name.
        results: the number RESULTS of the calrun that plays the run.
    """

    run_id: str
    nameless_id: str
    places: list[str]
    data: Fingerprint | None
    code: dict[str, str]
    results: int = RESULTS

    def recorded(self) -> dict[str, Any]:
        """Returns what config.yaml holds about it."""
        data = None if self.data is None else asdict(self.data)
        return {
            "run_id": self.run_id,
            "nameless_id": self.nameless_id,
            "data_places": self.places,
            "data_files_are": data,
            "code": self.code,
            "results": self.results,
        }


def identity(cfg: DictConfig) -> Identity:
    """Returns the identity of a configuration's run.

    Raises:
        ValueError: if `dataset.check` or `data_files` is of the wrong kind.
        OSError: if a file of the data set is there but cannot be read.
    """
    tree: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    places, check = data_places(tree), check_of(tree)
    try:
        data = fingerprint(places, check)
    except FileNotFoundError:
        data = None  # the loader says what is missing, and a finished run needs no data
    decides = canonical(tree)
    code = user_code(kept_blocks(tree))
    return Identity(short_hash(decides), short_hash(decides | {"data": []}), [*map(str, places)], data, code)


def run_id(cfg: DictConfig) -> str:
    """Returns a short hash of what decides a run's result."""
    return short_hash(canonical(OmegaConf.to_container(cfg, resolve=True)))  # type: ignore[arg-type]


def short_hash(tree: dict[str, Any]) -> str:
    """Returns eight hexadecimal digits of a configuration's hash."""
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:8]


def canonical(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a resolved configuration without what changes no result, its numbers and places written in one way.

    A whole number and the same number with a decimal point are equal, except in lists, where they can mean counts and
    shares, and in arguments of classes that are not calrun's. A file counts as its bytes. The data set's files have a
    fingerprint of their own; here only the last part of each of their places counts, under `data`.
    """
    kept = {key: _canonical(value, key, ours=True) for key, value in kept_blocks(tree).items()}
    kept["data"] = [place.name for place in data_places(tree)]
    alone = ["trainer.processes"] if (tree.get("trainer") or {}).get("processes", 1) == 1 else []
    alone += [LAST_BATCH] if (tree.get("trainer") or {}).get("last_batch") in (None, "keep") else []
    alone += [AUGMENT] if (tree.get("dataset") or {}).get("augment", True) else []
    for leaf in [*NEUTRAL_LEAVES, STORE_FOLDER, *alone, *([] if looks_at_last_round(tree) else [ROUNDS])]:
        block, _, key = leaf.partition(".")
        if isinstance(kept.get(block), dict):
            kept[block].pop(key, None)
    return kept


def kept_blocks(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the top-level parts of a configuration that can decide a result."""
    stored = (tree.get("feature_store") or {}).get("_target_") not in (None, WITHOUT_STORE)
    neutral = (*NEUTRAL_BLOCKS, *([] if stored else ["feature_store"]))
    return {key: value for key, value in tree.items() if key not in neutral}


def looks_at_last_round(tree: Mapping[str, Any]) -> bool:
    """Tells whether a piece of the run asks how many rounds there are; if so, their number is part of the identity."""
    return _ask_for_rounds(tuple(sorted({*targets(kept_blocks(tree))})))


@cache
def _ask_for_rounds(names: tuple[str, ...]) -> bool:
    nodes = (node for parsed in sources(names) for node in ast.walk(parsed))
    return any(isinstance(node, ast.Attribute) and node.attr in ("num_rounds", "is_last") for node in nodes)


def _canonical(value: Any, where: str, ours: bool) -> Any:
    if isinstance(value, Mapping):
        ours = str(value["_target_"]).startswith(OURS) if "_target_" in value else ours
        items = {key: item for key, item in value.items() if key not in NEUTRAL_KEYS}
        return {str(key): _canonical(item, f"{where}.{key}", ours) for key, item in items.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_canonical(item, where, ours=False) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, float) and ours and value == int(value):
        return int(value)
    if isinstance(value, str) and last_word(where) == TOKENIZER:
        return _content(value, where)
    if isinstance(value, str) and is_place(where):
        if where == "oracle.path":
            return Path(value).name  # its content grows while the run goes on
        return "" if where.startswith("dataset.") else _content(value, where)
    return value


def is_place(where: str) -> bool:
    """Tells whether a dotted key names a place on disk."""
    return last_word(where) in PLACES


def last_word(where: str) -> str:
    """Returns the last part of a dotted key, or what follows the last _ in it."""
    return where.rpartition(".")[2].rpartition("_")[2]


def _content(place: str, where: str) -> str:
    path = Path(place).expanduser()
    if not place or not path.exists() or (path.is_dir() and last_word(where) in FOLDERS):
        return path.name
    read = fingerprint([path], "all")
    return f"{read.names}-{read.content}"


def data_places(tree: Mapping[str, Any]) -> list[Path]:
    """Returns where the data set's files lie, absolute: every place that `dataset` names, and those of `data_files`.

    A place that holds one of `data_files`, such as a folder of many data sets, is narrowed to it.

    Raises:
        ValueError: if `data_files` is not a list of texts.
    """
    named = tree.get("data_files") or []
    if not isinstance(named, list) or not all(isinstance(place, str) for place in named):
        raise ValueError(f"data_files wants a list of files and folders, or null for those of dataset, got {named!r}")
    narrow = [_absolute(place) for place in named]
    found = [value for where, value in _leaves(tree.get("dataset"), "dataset") if is_place(where)]
    places = [_absolute(value) for value in found if isinstance(value, str) and value]
    wide = [place for place in places if not any(other.is_relative_to(place) for other in narrow)]
    return [*wide, *narrow]


def check_of(tree: Mapping[str, Any]) -> Check:
    """Returns how much of the data set's files is read.

    Raises:
        ValueError: if `dataset.check` is not all, sample or off.
    """
    dataset = tree.get("dataset")
    came = dataset.get("check", "sample") if isinstance(dataset, dict) else "sample"
    came = "off" if came is False else came  # what YAML makes of a bare off
    for legal in CHECKS:
        if came == legal:
            return legal
    raise ValueError(f"dataset.check wants one of {', '.join(CHECKS)}, got {came!r}")


def _leaves(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{where}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, where)
    else:
        yield where, value


def _absolute(place: str) -> Path:
    return Path(os.path.abspath(Path(place).expanduser()))  # noqa: PTH100 - resolve() would follow links
