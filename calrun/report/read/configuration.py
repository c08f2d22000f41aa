"""The config.yaml of a run folder as flat leaves, and the part of it that says which runs differ only in the seed.

A multirun writes thousands of files that differ in a few lines, so each top-level part with the same text is parsed
only once.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from calrun.folder.config_file import config_text, parsed
from calrun.folder.identity import HEADER, canonical
from calrun.places import SHOWN_GROUPS
from calrun.report.table.plain import printable

CHOICES = (*SHOWN_GROUPS, "budget", "trainer", "optimizer", "initial")
BUDGET = ("budget",)
DATA = ("data_fingerprint", "data_content")  # checksums of what was loaded and of what the files hold
CONTEXT = (
    "dataset",
    "row_transform",
    "oracle",
    "model",
    "scale",
    "val_fraction",
    *DATA,
    "choices.dataset",
    "choices.model",
)
AROUND = ("subset_of", "regions")  # acquisitions that any other may be inside of
REPLAY = "picks_of"  # the acquisition whose rows another run has chosen
BLOCK_START = re.compile(r"\n(?=[^\s#\-])")


@dataclass(frozen=True)
class Configuration:
    """What a run was: its names, and the leaves of its resolved configuration that decide results, by dotted key.

    Args:
        leaves: all of the configuration except the seed and what identity leaves out, and the names that lines bear.
        setting: a digest of `leaves`, shared by runs that differ only in their seed.
        context: a digest of what two methods must share to be compared number by number: data, model and budget.
        scale: the scale of a shrunk run; 1 for a whole one.
        class_names: empty if the run did not record them.
        code_changes: for each time that a user accepted other code, after how many rounds, and what had changed.
        cheats: the groups whose option looks at labels that nobody has bought: `acquisition`, `initial`.
    """

    run_id: str
    experiment: str
    seed: int
    choices: dict[str, str]
    leaves: dict[str, Any]
    setting: str
    context: str
    scale: float = 1.0
    class_names: tuple[str, ...] = ()
    code_changes: tuple[tuple[int, str], ...] = ()
    cheats: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The options by which a run is known, with a mark on those that look at labels that nobody has bought."""
        return ", ".join(
            f"{self.choices[group]} (oracle)" if group in self.cheats else self.choices[group] for group in SHOWN_GROUPS
        )


def read_configuration(path: Path) -> Configuration:
    """Reads a resolved config.yaml.

    Raises:
        ValueError: the file is missing, is not YAML, or lacks a key every run folder has.
    """
    if not path.is_file():
        raise ValueError("config.yaml is missing")
    try:
        blocks = [parse_block(text) for text in BLOCK_START.split(config_text(path))]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"config.yaml is not YAML ({type(error).__name__})") from error
    except ValueError as error:
        raise ValueError(f"config.yaml is left alone: {error}") from error
    tree = {str(key): value for block in blocks for key, value in block.items()}
    choices = tree["choices"] if isinstance(tree.get("choices"), dict) else {}
    lacking = [key for key in ("seed", "run_id") if tree.get(key) is None]
    lacking += [f"choices.{choice}" for choice in SHOWN_GROUPS if choices.get(choice) is None]
    if lacking:
        raise ValueError(f"config.yaml lacks {', '.join(lacking)}")
    for key, kind in (("seed", int), ("scale", int | float)):
        if not isinstance(tree.get(key, 1), kind):
            raise ValueError(f"config.yaml: {key} is no number: {printable(repr(tree[key]))[:80]}")
    return configuration_of(tree, choices)


def configuration_of(tree: dict[str, Any], choices: dict[str, Any]) -> Configuration:
    leaves = all_leaves(tree, choices) | recorded(tree)
    names, cheats = (tree.get(key) for key in ("class_names", "cheats"))
    return Configuration(
        run_id=printable(str(tree["run_id"])),
        experiment=printable(str(tree.get("experiment") or tree.get("experiment_name") or "")),
        seed=tree["seed"],
        choices={choice: printable(shown_choice(tree, choice, choices.get(choice, ""))) for choice in CHOICES},
        leaves=leaves,
        setting=digest(leaves),
        context=digest(part_of(leaves, CONTEXT + BUDGET)),
        scale=tree.get("scale", 1.0),
        class_names=tuple(printable(str(name)) for name in names) if isinstance(names, list) else (),
        code_changes=tuple(changes_in(tree.get("code_changes"))),
        cheats=tuple(map(str, cheats)) if isinstance(cheats, list) else (),
    )


def shown_choice(tree: dict[str, Any], group: str, option: Any) -> str:
    """Returns an option's name, with that of the option inside of it, if it stands around another."""
    node = tree.get(group)
    if option == REPLAY and isinstance(node, dict) and node.get("whose"):
        return f"picks of {node['whose']}"
    inner = node.get("inner") if option in AROUND and isinstance(node, dict) else None
    target = inner.get("_target_") if isinstance(inner, dict) else None
    return f"{option} {str(target).split('.')[-2:][0]}" if target else str(option)


def changes_in(found: Any) -> Iterator[tuple[int, str]]:
    for change in found if isinstance(found, list) else ():
        if isinstance(change, dict) and isinstance(change.get("after_round"), int):
            yield change["after_round"], printable(str(change.get("changed")))


@cache
def parse_block(text: str) -> dict[str, Any]:
    """Returns one top-level block of YAML; it is cached, so nothing may change it.

    Raises:
        YAMLError: if the text is not YAML, or holds no keys and values.
    """
    loaded = parsed(text)
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise yaml.YAMLError("wanted keys and values at the top level")
    return loaded


def leaves_of(tree: dict[str, Any]) -> dict[str, Any]:
    """Returns, by dotted key, what decides results in a resolved configuration, except the seed; a list is a leaf."""
    own = {key: value for key, value in tree.items() if key not in (*HEADER, "seed", "data_fingerprint")}
    return dict(flat(canonical(own), "")) | dict(whose_picks(own))


def whose_picks(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields the name of a run whose picks are played again, in place of its picks, which each seed has others of."""
    for group in ("acquisition", "initial"):
        node = tree.get(group)
        if isinstance(node, dict) and node.get("whose"):
            yield f"{group}.path", str(node["whose"])


def all_leaves(tree: dict[str, Any], choices: dict[str, Any]) -> dict[str, Any]:
    """Returns the leaves of a resolved configuration, and the names that its lines bear."""
    return leaves_of(tree) | {f"choices.{choice}": str(choices[choice]) for choice in SHOWN_GROUPS}


def recorded(tree: dict[str, Any]) -> dict[str, Any]:
    """Returns what else decides a run's results but is in no configuration: its data, its code and calrun's own.

    The same names with other bytes in the files, or other code in a class, make another run. Of data without files only
    what was loaded is known; of files that does not count, because a test set may be drawn from them by the seed.
    """
    code, files = tree.get("code"), tree.get("data_files_are")
    named = code.items() if isinstance(code, dict) else ()
    found = {f"code.{str(name).removesuffix('.py')}": value for name, value in named}
    if isinstance(files, dict) and files.get("files") and files.get("content"):
        found["data_content"] = files["content"]
    elif "data_fingerprint" in tree:
        found["data_fingerprint"] = tree["data_fingerprint"]
    return found | ({"results": tree["results"]} if "results" in tree else {})


def flat(tree: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def part_of(leaves: dict[str, Any], blocks: tuple[str, ...]) -> dict[str, Any]:
    """Returns the leaves that are among `blocks` or below one of them."""
    return {
        key: value
        for key, value in leaves.items()
        if key in blocks or any(key.startswith(f"{block}.") for block in blocks)
    }


def digest(leaves: dict[str, Any]) -> str:
    """Returns a short hash of `leaves`, whatever their order."""
    return hashlib.sha256(repr(sorted(leaves.items())).encode("utf-8", "surrogatepass")).hexdigest()[:10]
