"""Where a run's process has died without a word: twice in the same place, and the run is not started a third time.

One small file a run, beside the run's folder, because a process may die before there is a folder.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from calrun.folder.status import run_status
from calrun.machine.files import readable, replace_text

DEATHS = ".deaths"
BEFORE = "its start"


def place_of(folder: Path) -> str:
    """Returns how far a run has come, in words: its round, its phase and its epoch."""
    return run_status(folder).round or BEFORE


class Deaths:
    """The deaths of one run's processes since it was last sent on its way.

    Args:
        folder: the run's; need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder.parent / DEATHS / f"{folder.name}.json"

    def forget(self) -> None:
        """Forgets all deaths: somebody has sent the run on its way again."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
            self.path.parent.rmdir()  # if it was the last

    def begin(self) -> None:
        """Notes that a job plays the run, so that one that dies with it is found out."""
        self._write(self._said() | {"playing": True})

    def end(self) -> None:
        """Notes that no job plays the run any longer, and forgets everything if nothing has happened."""
        said = self._said() | {"playing": False}
        self._write(said) if said.get("places") else self.forget()

    def was_playing(self) -> bool:
        """Tells whether a job that has begun the run has not said that it ended: it plays it, or will go on with it."""
        return bool(self._said().get("playing"))

    def note(self, why: str) -> str:
        """Notes that a process has died where the run stands now.

        Args:
            why: what became of the process, such as 'killed by SIGKILL'.

        Returns:
            Why the run is not started again, as one sentence; empty if it is.
        """
        said, place = self._said(), place_of(self.folder)
        known = list(said.get("places", []))
        self._write(said | {"places": [*known, place]})
        if place not in known:
            return ""
        return f"its process has died twice in the same place ({place}; {why}), so it is not started a third time"

    def _said(self) -> dict[str, Any]:
        return readable(self.path, _parsed) or {}

    def _write(self, said: dict[str, Any]) -> None:
        with suppress(OSError):  # the disk may be what has failed
            replace_text(self.path, json.dumps(said) + "\n", durable=False)


def _parsed(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))
