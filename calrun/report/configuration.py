"""The config.yaml of a run folder as flat leaves, and the part of it that says which runs differ in the seed only.

A multirun writes thousands of files that differ in a few lines, so each top-level block is parsed once by its text.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

CHOICES = ("dataset", "model", "acquisition", "method", "budget", "trainer", "optimizer")
REQUIRED_CHOICES = CHOICES[:4]
CONTEXT_BLOCKS = ("dataset", "model", "budget", "scale", "val_fraction")  # what two methods must share to be compared
UNIMPORTANT_BLOCKS = ("run_id", "experiment", "experiment_name", "logger", "hydra", "record", "paths")
UNIMPORTANT_KEYS = ("seed", "num_workers", "checkpoint_every_seconds")
PLACES = ("root", "path", "file", "folder")  # of these only the last part can matter
BLOCK_START = re.compile(r"\n(?=[^\s#\-])")

Leaves = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Configuration:
    """What a run was: its names, and every leaf of its resolved configuration by dotted key."""

    run_id: str
    experiment: str
    seed: int
    choices: dict[str, str]
    leaves: dict[str, Any]
    setting: str
    context: str


def read_configuration(path: Path) -> Configuration:
    """Reads a resolved config.yaml.

    Raises:
        ValueError: the file is missing, is not YAML, or lacks a key every run folder has.
    """
    if not path.is_file():
        raise ValueError("config.yaml is missing")
    try:
        blocks = [parse_block(text) for text in BLOCK_START.split(path.read_text())]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"config.yaml is not YAML ({type(error).__name__})") from error
    leaves = dict(leaf for block in blocks for leaf in block)
    wanted = ["seed", "run_id", *(f"choices.{choice}" for choice in REQUIRED_CHOICES)]
    lacking = [key for key in wanted if leaves.get(key) is None]
    if lacking:
        raise ValueError(f"config.yaml lacks {', '.join(lacking)}")
    if not isinstance(leaves["seed"], int):
        raise ValueError(f"config.yaml: seed is no whole number: {leaves['seed']!r}")
    return Configuration(
        run_id=str(leaves["run_id"]),
        experiment=str(leaves.get("experiment") or leaves.get("experiment_name") or ""),
        seed=leaves["seed"],
        choices={choice: str(leaves.get(f"choices.{choice}", "")) for choice in CHOICES},
        leaves=leaves,
        setting=digest([leaf for leaf in leaves.items() if is_setting(leaf[0])]),
        context=digest([leaf for leaf in leaves.items() if is_context(leaf[0])]),
    )


@cache
def parse_block(text: str) -> Leaves:
    """Returns the leaves of one top-level block of YAML."""
    loaded = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    if loaded is None:
        return ()
    if not isinstance(loaded, dict):
        raise yaml.YAMLError("wanted keys and values at the top level")
    return tuple(flat(loaded, ""))


def flat(tree: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    """Returns the leaves of nested mappings by dotted key; a list is a leaf, a place on disk only its last part."""
    found: list[tuple[str, Any]] = []
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            found += flat(value, f"{name}.")
        else:
            found.append((name, Path(value).name if key in PLACES and isinstance(value, str) else value))
    return found


def is_setting(key: str) -> bool:
    """Says whether `key` can change results between runs of one seed."""
    block, _, rest = key.partition(".")
    if block == "choices":
        return rest in CHOICES
    return block not in UNIMPORTANT_BLOCKS and key.rpartition(".")[2] not in UNIMPORTANT_KEYS


def is_context(key: str) -> bool:
    """Says whether `key` belongs to what compared methods must share: data set, model and budget."""
    block, _, rest = key.partition(".")
    return (rest if block == "choices" else block) in CONTEXT_BLOCKS and is_setting(key)


def digest(leaves: list[tuple[str, Any]]) -> str:
    """Returns a short hash of `leaves`, whatever their order."""
    return hashlib.sha256(repr(sorted(leaves)).encode()).hexdigest()[:10]
