"""What a multirun leaves beside its runs: which ones it will play, and why some never began."""

import json
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from calrun.folder.claim import Claim, HeldError
from calrun.machine.files import make_folder, readable, replace_text
from calrun.machine.job import this_log

SWEEP_FILE = "sweep.json"
REFUSED = ".refused"  # folder with a file for each run that was refused before it had a folder of its own
SWEEP_VARIABLE = "CALRUN_SWEEP"  # environment variable with the multirun that a job is part of
WAIT_SECONDS = 0.05  # time between looks while another launcher is adding its runs


def this_sweep() -> str:
    """Returns which multirun this process is a job of; empty outside one."""
    return os.environ.get(SWEEP_VARIABLE, "")


def add_runs(experiment: Path, names: list[str]) -> None:
    """Adds runs to those that multiruns of this experiment intend to play, even while other launchers add theirs."""
    make_folder(experiment)
    claim = _wait_for_claim(experiment)
    try:
        known = readable(experiment / SWEEP_FILE, planned_names) or []
        text = json.dumps({"runs": list(dict.fromkeys([*known, *names]))}, indent=1) + "\n"
        replace_text(experiment / SWEEP_FILE, text)
    finally:
        claim.release()


def planned_names(path: Path) -> list[str]:
    """Returns the names in a sweep.json.

    Raises:
        ValueError: or another error of `BROKEN`, if the file is damaged.
    """
    names = json.loads(path.read_text(encoding="utf-8"))["runs"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("runs is no list of names")
    return names


def note_refusal(folder: Path, reason: str, code: int, log: Path | None = None) -> None:
    """Notes why a run could not begin or go on; the note stays until it does.

    Args:
        folder: the run's; need not exist.
        reason: one sentence.
        code: the exit code of its process.
        log: where the run's output has gone, if another process notes this; one that is not there is left out.
    """
    said = {"error": reason, "exit_code": code, "updated": datetime.now(UTC).isoformat(timespec="seconds")}
    own = {"stderr": str(log)} if log is not None and log.exists() else this_log()
    said["logs"] = [own] if own else []
    replace_text(_refusal_file(folder), json.dumps(said) + "\n", durable=False)


def forget_refusal(folder: Path) -> None:
    """Removes the note on why a run could not begin or go on."""
    path = _refusal_file(folder)
    with suppress(OSError):
        path.unlink(missing_ok=True)
        path.parent.rmdir()  # if it was the last


def refusal(folder: Path) -> dict[str, Any]:
    """Returns why a run could not begin or go on; empty if nothing is known."""
    return readable(_refusal_file(folder), _said) or {}


def refused_names(experiment: Path) -> list[str]:
    """Returns the names of the runs that were refused."""
    return sorted(path.name.removesuffix(".json") for path in (experiment / REFUSED).glob("*.json"))


def _refusal_file(folder: Path) -> Path:
    return folder.parent / REFUSED / f"{folder.name}.json"


def _said(path: Path) -> dict[str, Any]:
    said: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
    return said


def _wait_for_claim(experiment: Path) -> Claim:
    while True:
        try:
            return Claim(experiment, "sweep")
        except HeldError:
            time.sleep(WAIT_SECONDS)
