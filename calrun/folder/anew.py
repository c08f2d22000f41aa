"""`--fresh` and `--accept-code`: what a user decides about a run folder that is there already.

Both are taken once, by the command that was typed, and never by a job that is requeued.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from calrun.folder.begun import changed_code, completed, recorded_in
from calrun.folder.claim import is_held
from calrun.folder.identity import Identity
from calrun.machine.files import replace_text
from calrun.text.say import say

ASIDE = ".replaced"  # hidden: neither a report nor `calrun status` looks there


@dataclass
class Wanted:
    """What the command line asks for.

    Args:
        fresh: moves a run's folder aside, so that it is played anew.
        accept_code: goes on with a run whose code has changed since it was begun.
    """

    fresh: bool = False
    accept_code: bool = False

    def apply(self, folder: Path, now: Identity) -> None:
        """Does what was asked for to a run folder, if it is there.

        Raises:
            ValueError: if a process is playing the run.
        """
        if not folder.is_dir() or not (self.fresh or self.accept_code):
            return
        refuse_held([folder])
        if self.fresh:
            say(f"{folder.name}  moved aside to {move_aside(folder)}")
        else:
            accept_code(folder, now)


def refuse_held(folders: Sequence[Path]) -> None:
    """Raises a ValueError if a process is playing one of these runs."""
    for folder in folders:
        if folder.is_dir() and is_held(folder):
            raise ValueError(f"another process is running in {folder}; stop it before --fresh or --accept-code")


wanted = Wanted()  # of this process; set by the command line


def move_aside(folder: Path) -> Path:
    """Moves a run folder out of the way and returns where it is now."""
    number = 1
    while (aside := folder.parent / ASIDE / f"{folder.name}.{number}").exists():
        number += 1
    aside.parent.mkdir(exist_ok=True)
    return folder.rename(aside)


def accept_code(folder: Path, now: Identity) -> None:
    """Records that the rounds to come are played with today's code, and since when."""
    begun = recorded_in(folder)
    changed = changed_code(begun, now) if begun else ""
    if not begun or not changed:
        return
    rounds = len((folder / "rounds.jsonl").read_text().splitlines()) if (folder / "rounds.jsonl").exists() else 0
    changes = [*(begun.get("code_changes") or []), {"after_round": rounds, "changed": changed}]
    accepted = completed(begun | {"code": now.code, "results": now.results, "code_changes": changes})
    replace_text(folder / "config.yaml", yaml.safe_dump(accepted, sort_keys=False, allow_unicode=True))
