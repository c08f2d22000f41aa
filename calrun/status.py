"""`calrun status`: what the run folders say of themselves."""

import fcntl
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from calrun.files import whole

SWEEP_FILE = "sweep.json"  # the runs that a multirun will play, by folder name


@dataclass(frozen=True)
class RunStatus:
    """One run: its state, how far it is, and its accuracy or what stopped it."""

    name: str
    state: str
    round: str = ""
    note: str = ""
    updated: str = ""


def statuses(folder: Path) -> list[RunStatus]:
    """Returns the runs below a folder, those that a multirun has yet to begin included.

    Raises:
        ValueError: if the folder does not exist or holds no run.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}; give a run folder, an experiment's folder or outputs")
    begun = {path.parent: _status(path.parent) for path in sorted(folder.rglob("status.json"))}
    waiting = [run for run in _planned(folder) if run not in begun]
    if not begun and not waiting:
        raise ValueError(f"{folder} holds no run (no status.json below it); give an experiment's folder or outputs")
    return [*begun.values(), *(RunStatus(run.name, "waiting") for run in waiting)]


def show(folder: Path) -> None:
    """Prints a table of the runs below a folder and a line that counts them."""
    runs = statuses(folder)
    table = Table(box=None, pad_edge=False)
    for header in ("run", "state", "round", "accuracy or reason", "updated"):
        table.add_column(header, no_wrap=True, overflow="ignore")
    for run in runs:
        table.add_row(run.name, run.state, run.round, run.note, run.updated)
    widest = Console(width=1000).measure(table).maximum
    console = Console(width=max(widest, Console().width), highlight=False, soft_wrap=True)  # names are never cut
    console.print(table)
    counts = Counter(run.state for run in runs)
    console.print("  ".join(f"{count} {state}" for state, count in counts.most_common()))


def _status(folder: Path) -> RunStatus:
    try:
        said = _said(folder)
    except (ValueError, OSError) as error:  # one damaged folder does not hide the others
        return RunStatus(folder.name, "damaged", note=str(error))
    state = said["state"]
    where = f"{said['round']}/{said['rounds']} {said.get('phase', '')}" if "round" in said else ""
    if "epoch" in said:
        where += f" epoch {said['epoch']}/{said['epochs']}"
    note = f"{said['accuracy']:.2%}" if "accuracy" in said else str(said.get("error", ""))[:100]
    return RunStatus(folder.name, state, where.strip(), note, said.get("updated", ""))


def _said(folder: Path) -> dict[str, Any]:
    path = folder / "status.json"
    with whole(path):
        said: dict[str, Any] = json.loads(path.read_text())
        state = said["state"]
    if state == "running" and not is_held(folder):  # killed before it could say so
        with whole(folder / "rounds.jsonl"):
            return _last_words(folder) or said | {"state": "interrupted"}  # the same command continues it
    return said


def _last_words(folder: Path) -> dict[str, Any] | None:
    """Returns what a run would say that was killed after its last commit."""
    path = folder / "rounds.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    last: dict[str, Any] = json.loads(lines[-1]) if lines else {"round": 0, "rounds": 1}
    if last["round"] < last["rounds"]:
        return None
    accuracy = next(iter(last["test"].values()))["accuracy"]
    return {"state": "finished", "round": last["round"], "rounds": last["rounds"], "accuracy": accuracy}


def is_held(folder: Path) -> bool:
    """Tells whether a process holds a run folder's lock."""
    path = folder / "lock"
    if not path.exists():
        return False
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _planned(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob(SWEEP_FILE)):
        with whole(path):
            names: list[str] = json.loads(path.read_text())["runs"]
        yield from (path.parent / name for name in names)
