"""`--fresh` and `--accept-code`: what a user decides about a run folder that is there already.

Both apply once, in the command that was typed, and never in a requeued job: a job of a multirun moves aside only the
very folder that its launcher saw.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from calrun.folder.begun import changed_code, completed, recorded_in
from calrun.folder.claim import Claim, HeldError, is_held
from calrun.folder.identity import Identity
from calrun.folder.sweep_file import this_sweep
from calrun.machine.files import replace_text
from calrun.text.say import say

ASIDE = ".replaced"  # hidden folder, where neither a report nor `calrun status` looks


@dataclass
class Wanted:
    """What the command line asks for.

    Args:
        fresh: whether to move a run's folder aside, so that the run starts from nothing.
        accept_code: whether to go on with a run whose code has changed since it was begun.
        seen: in a job of a multirun, the number of the folder to move aside; any other stays where it is.
        code: in a job that another process has ordered, the code as it was then; empty anywhere else.
    """

    fresh: bool = False
    accept_code: bool = False
    seen: int | None = None
    code: dict[str, Any] = field(default_factory=dict)

    def begins_anew(self, folder: Path) -> bool:
        """Tells whether what is in a run folder no longer counts."""
        return self.fresh and self.seen in (None, number_of(folder))

    def move_aside(self, folder: Path) -> None:
        """Moves a run's folder aside, unless the same run in another job of this multirun is doing so.

        Raises:
            ValueError: if another process is playing the run.
        """
        try:
            claim = Claim(folder, sweep=this_sweep())
        except FileNotFoundError:  # there was none, or it has been moved meanwhile
            return
        except HeldError as held:
            if not this_sweep() or held.found.holder is None or held.found.holder.sweep != this_sweep():
                raise _held(folder) from held
            return
        try:
            if not self.begins_anew(folder):
                return
            aside = _moved(folder)
        finally:
            claim.release()
        (aside / claim.path.name).unlink(missing_ok=True)
        say(f"{folder.name}  moved aside to {aside}")


def number_of(folder: Path) -> int:
    """Returns a number that tells a folder from a later one of the same name; 0 if there is no folder."""
    return folder.stat().st_ino if folder.is_dir() else 0


def refuse_held(folders: Sequence[Path]) -> None:
    """Raises a ValueError if a process is playing one of these runs."""
    for folder in folders:
        if is_held(folder):
            raise _held(folder)


wanted = Wanted()  # what this process is asked for; set by the command line


def _held(folder: Path) -> ValueError:
    return ValueError(f"another process is running in {folder}; stop it before --fresh or --accept-code")


def _moved(folder: Path) -> Path:
    """Moves a run folder out of the way and returns where it is now."""
    number = 1
    while (aside := folder.parent / ASIDE / f"{folder.name}.{number}").exists():
        number += 1
    aside.parent.mkdir(exist_ok=True)
    return folder.rename(aside)


def accept_code(folder: Path, now: Identity) -> None:
    """Records that the coming rounds of a run, if it has begun, are played with today's code, and from which round on.

    Raises:
        ValueError: if a process is playing the run.
    """
    refuse_held([folder])
    begun = recorded_in(folder)
    changed = changed_code(begun, now) if begun else ""
    if not begun or not changed:
        return
    rounds = len((folder / "rounds.jsonl").read_text().splitlines()) if (folder / "rounds.jsonl").exists() else 0
    changes = [*(begun.get("code_changes") or []), {"after_round": rounds, "changed": changed}]
    accepted = completed(begun | {"code": now.code, "results": now.results, "code_changes": changes})
    replace_text(folder / "config.yaml", yaml.safe_dump(accepted, sort_keys=False, allow_unicode=True))
