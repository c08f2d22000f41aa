"""What run folders say about themselves. It changes nothing, and no folder can make it fail."""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from calrun.folder.claim import Found, newest
from calrun.folder.round_line import accuracy, percent, read_rounds
from calrun.folder.sweep_file import SWEEP_FILE, planned_names, refusal, refused_names
from calrun.machine.files import BROKEN
from calrun.text.duration import duration

RUN_FILES = {"config.yaml", "rounds.jsonl", "status.json"}
ERROR_LENGTH = 200
MISSING = "status.json is missing"


@dataclass(frozen=True)
class RunStatus:
    """One run: its state, how far it is, and its accuracy or what stopped it."""

    name: str
    state: str
    round: str = ""
    note: str = ""
    updated: str = ""


def runs_below(folder: Path) -> dict[Path, RunStatus]:
    """Returns the runs below a folder, by their folders, with those yet to begin and those that were refused.

    Raises:
        ValueError: if the folder does not exist or holds no run.
    """
    if not folder.is_dir():
        planned = {} if not folder.parent.is_dir() else dict(not_begun(folder.parent))
        if folder in planned:
            return {folder: planned[folder]}
        raise ValueError(f"there is no folder {folder}; give a run folder, an experiment's folder or outputs")
    begun: dict[Path, RunStatus] = {}
    others: dict[Path, RunStatus] = {}
    for place, files in folders_below(folder):
        if files & RUN_FILES:
            begun[place] = run_status(place)
        else:
            others |= {run: status for run, status in not_begun(place) if not is_run(run)}
    if not begun and not others:
        raise ValueError(f"{folder} holds no run (no status.json below it); give an experiment's folder or outputs")
    return begun | others


def counts(runs: list[RunStatus]) -> str:
    """Returns how many runs are in each state."""
    return "  ".join(f"{count} {state}" for state, count in Counter(run.state for run in runs).most_common())


def folders_below(top: Path) -> Iterator[tuple[Path, set[str]]]:
    """Yields a folder and those below it, each once however many links lead to it, with the names of their files.

    It looks neither inside run folders nor at hidden ones.
    """
    met: set[str] = set()
    for parent, children, files in os.walk(top, followlinks=True):
        real = os.path.realpath(parent)
        if real in met or RUN_FILES.intersection(files):
            children.clear()
        children[:] = sorted(child for child in children if not child.startswith("."))
        if real not in met:
            yield Path(parent), set(files)
        met.add(real)


def run_status(folder: Path) -> RunStatus:
    """Returns what is known of a run, begun or not."""
    if not is_run(folder):
        return _refused(RunStatus(folder.name, "waiting"), refusal(folder))
    try:
        lines = read_rounds(folder / "rounds.jsonl")
    except (ValueError, OSError, RecursionError) as error:  # one damaged folder does not hide the others
        return RunStatus(folder.name, "damaged", note=_cut(_why(error)))
    said, complaint = _said(folder / "status.json")
    claim = _claim(folder)
    state = _state(said, lines, claim)
    status = RunStatus(folder.name, state, _where(said, lines), updated=str(said.get("updated", "")))
    notes = {
        "failed": _reason(said),
        "labels wanted": _reason(said),
        "interrupted": str(claim or "it has stopped") + _log(said),
    }
    last = percent(accuracy(lines[-1])) if lines else ""
    stopped = f"stopped: {lines[-1]['stopped']}" if lines and lines[-1].get("stopped") else ""
    note = {"finished": _joined(last, stopped), "running": _joined(last, _left(said))}.get(state) or notes.get(
        state, ""
    )
    if complaint == MISSING and (state == "running" or (state == "interrupted" and not lines)):
        complaint = "starting" if state == "running" else "before it began"
    return _refused(replace(status, note=_joined(note, complaint)), refusal(folder))


def not_begun(experiment: Path) -> Iterator[tuple[Path, RunStatus]]:
    """Yields the runs that multiruns intend to play in an experiment's folder, and those that were refused."""
    names = refused_names(experiment)
    path = experiment / SWEEP_FILE
    try:
        names += planned_names(path) if path.exists() else []
    except (OSError, *BROKEN) as error:
        yield path, RunStatus(SWEEP_FILE, "damaged", note=_cut(f"{path} is damaged ({type(error).__name__})"))
    for name in dict.fromkeys(names):
        yield experiment / name, run_status(experiment / name)


def said_state(folder: Path) -> str:
    """Returns the state that a run said last; empty if it said none."""
    return str(_said(folder / "status.json")[0].get("state", ""))


def last_error(folder: Path) -> str:
    """Returns the error that a run says it failed with; empty if it does not say that it failed."""
    said, _ = _said(folder / "status.json")
    return str(said.get("error", "")) if said.get("state") == "failed" else ""


def last_exit_code(folder: Path) -> int:
    """Returns the exit code of a run that has failed or was refused, as it was noted; 1 if none was."""
    code = refusal(folder).get("exit_code", _said(folder / "status.json")[0].get("exit_code", 1))
    return code if isinstance(code, int) else 1


def is_run(folder: Path) -> bool:
    """Tells whether a folder is one of a run that has begun."""
    return any((folder / name).exists() for name in RUN_FILES)


def shown(text: str) -> str:
    """Returns a text that every terminal can show, even if a folder's name holds bytes that are not text."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _said(path: Path) -> tuple[dict[str, Any], str]:
    """Returns what the run said last, and what is wrong with that."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(said, dict) or not isinstance(said.get("state"), str):
            raise ValueError("no state")
        return said, ""
    except FileNotFoundError:
        return {}, MISSING
    except (ValueError, OSError, RecursionError):
        return {}, "status.json is damaged"


def _claim(folder: Path) -> Found | None:
    try:
        return newest(folder)
    except OSError:
        return None


def _state(said: dict[str, Any], lines: list[dict[str, Any]], claim: Found | None) -> str:
    """Returns the state that agrees with the claim and the committed rounds."""
    state = str(said.get("state", "interrupted"))
    rounds = said.get("rounds")
    last = lines[-1] if lines else {"round": 0, "rounds": 1}
    if last["round"] >= max(last["rounds"], rounds if isinstance(rounds, int) else 0):
        return "finished"  # even if it was killed before it could say so
    if claim is not None and not claim.is_dead(time.time()):
        return "running"
    return "interrupted" if state in ("running", "finished") else state  # the same command continues it


def _where(said: dict[str, Any], lines: list[dict[str, Any]]) -> str:
    if "round" not in said:
        return f"{lines[-1]['round']}/{lines[-1]['rounds']}" if lines else ""
    if said.get("state") == "running" and lines and lines[-1]["round"] == lines[-1]["rounds"] == said.get("rounds"):
        return f"{said['round']}/{said['rounds']}"  # killed after its last commit, before it could say so
    epoch = f"epoch {said['epoch']}/{said.get('epochs', '?')}" if "epoch" in said else ""
    return " ".join(f"{said['round']}/{said.get('rounds', '?')} {said.get('phase', '')} {epoch}".split())


def _left(said: dict[str, Any]) -> str:
    seconds = said.get("seconds_left")
    return f"at most {duration(seconds)} left" if isinstance(seconds, int | float) else ""


def _reason(said: dict[str, Any]) -> str:
    code = f"exit {said['exit_code']}: " if "exit_code" in said else ""
    return code + _cut(str(said.get("error", ""))) + _log(said)


def _log(said: dict[str, Any]) -> str:
    """Returns where the run's last job has written what went wrong, if it was a job."""
    logs = said.get("logs")
    log = logs[-1].get("stderr", "") if isinstance(logs, list) and logs and isinstance(logs[-1], dict) else ""
    return f"; log: {log}" if log else ""


def _refused(status: RunStatus, refused: dict[str, Any]) -> RunStatus:
    """Adds why a run could not begin or go on, unless it has done so since."""
    if not refused or status.state == "finished":
        return status
    if status.state == "running":  # a run that begins forgets earlier refusals
        return replace(status, note=_joined(status.note, f"another start was refused, {_reason(refused)}"))
    if str(refused.get("updated", "")) < status.updated:
        return status
    return replace(status, state="failed", note=_reason(refused), updated=str(refused.get("updated", "")))


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"cannot read {error.filename}: {error.strerror.lower()}"
    return str(error)


def _cut(text: str) -> str:
    """Returns the beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= ERROR_LENGTH else f"{line[:ERROR_LENGTH]}..."
