"""The winner of a search as an option of the group `hparams`: the searched keys and nothing else."""

import re
from pathlib import Path
from typing import Any

import yaml

from calrun.folder.config_file import config_text, parsed
from calrun.machine.files import make_folder, replace_text
from calrun.places import options
from calrun.report.read.runs import read_json
from calrun.search.grid import Search

HEAD = "# @package _global_\n# Found by `calrun best` on validation rows"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
GROUP = "hparams"


def refuse_place(path: Path) -> None:
    """Raises a ValueError if a file could not be chosen by hparams=NAME, or is somebody's own."""
    if path.parent.name != GROUP or path.suffix != ".yaml" or not NAME.fullmatch(path.stem):
        raise ValueError(f"--out wants FOLDER/{GROUP}/NAME.yaml, such as conf/{GROUP}/found.yaml, got {path}")
    if path.is_dir() or (path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(HEAD)):
        raise ValueError(f"{path} is there and was not written by calrun best; choose another name")
    if path.stem in options(GROUP)[GROUP] and not path.exists():
        raise ValueError(f"calrun has an option {GROUP}={path.stem}, which would hide {path}; choose another name")


def write_hparams(search: Search, path: Path, shown: str) -> None:
    """Writes the winner's values.

    Args:
        shown: its metric, as text.

    Raises:
        ValueError: if nothing was searched, or candidates differ in more than values.
    """
    if not search.keys:
        raise ValueError(f"{search.name} has one configuration, so that nothing was searched; leave --out out")
    if search.structural:
        raise ValueError(
            f"{search.name}: some candidates do not have {', '.join(search.structural)}, so that values alone do not "
            "make the winner; choose its options by hand, and leave --out out"
        )
    tree = parsed(config_text(search.best.runs[0].folder / "config.yaml"))
    values: dict[str, Any] = {}
    for key in search.keys:
        _copy(tree, values, key.split("."))
    seeds = f"seed{'s' if len(search.seeds) > 1 else ''} {', '.join(map(str, search.seeds))}"
    text = (
        f"{HEAD}: the best of {len(search.candidates)} configurations of {', '.join(search.choices)}.\n"
        f"# Their {search.metric}: {shown} ({seeds}; {search.labelled} labels).\n"
    )
    make_folder(path.parent)
    replace_text(path, text + yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def chosen_with(search: Search, path: Path) -> str:
    """Returns the words that choose the file beside what its search was played with, which it would replace."""
    run = search.best.runs[0].folder
    attempts = read_json(run / "environment.json", []).get("attempts")
    commands = [each.get("command") for each in attempts or () if isinstance(each, dict)]
    typed = [word for words in commands for word in words or () if str(word).startswith(f"{GROUP}=")]
    dataset, _, method, _ = search.choices
    pair = f"{dataset}_{method}"
    before = typed[-1].partition("=")[2].strip("[]") if typed else pair if pair in options(GROUP)[GROUP] else ""
    names = [name for name in before.split(",") if name not in ("", "null", path.stem)]
    return f'"{GROUP}=[{",".join([*names, path.stem])}]"' if names else f"{GROUP}={path.stem}"


def _copy(tree: Any, values: dict[str, Any], key: list[str]) -> None:
    """Copies one value; of a list all of it, because a list in a file replaces another as a whole."""
    name, *below = key
    if below and isinstance(tree[name], dict):
        _copy(tree[name], values.setdefault(name, {}), below)
    else:
        values[name] = tree[name]
