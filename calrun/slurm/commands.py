"""The commands `calrun submit`, `calrun cancel` and `calrun logs`."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from omegaconf import OmegaConf

from calrun.folder.claim import newest
from calrun.folder.status import RunStatus, runs_below
from calrun.machine.process import machine
from calrun.places import CONF
from calrun.slurm.jobs_file import SentJob, latest_jobs, log_of, mark_cancelled
from calrun.slurm.queue import cancel, queue
from calrun.slurm.state import QUEUED, job_states, state_of
from calrun.text.say import say
from calrun.text.words import at_home

LAUNCHER = "hydra/launcher"
FOLLOW_SECONDS = 1.0
SHOWN = 5  # most runs that a sentence names
Runs = Annotated[list[Path], typer.Argument(metavar="FOLDER", help="runs, or folders that hold them")]


def submit_words(words: list[str], only: str | None) -> list[str]:
    """Returns what `calrun run` is asked for by `calrun submit`.

    Args:
        words: as typed; an option of the launcher may stand without hydra.launcher before it.
        only: states of the runs that are sent, with commas between them.
    """
    ours = [str(key) for key in OmegaConf.load(CONF / "hydra/launcher/slurm.yaml") if not str(key).startswith("_")]
    full = [f"hydra.launcher.{word}" if word.partition("=")[0] in ours else word for word in map(at_home, words)]
    if not any(word.startswith(f"{LAUNCHER}=") for word in words):
        full.append(f"{LAUNCHER}=slurm")
    if only is not None:
        full.append(f"hydra.launcher.only=[{only}]")
    return ["-m", *full, "hydra.launcher.wait=false"]


def cancel_command(folders: Runs) -> None:
    """Cancels the jobs of runs, and ends those that run on this machine; the same command goes on with them later."""
    from calrun.sweep.overview import overview

    runs = {path.absolute(): run for folder in folders for path, run in overview(folder).items()}
    alive = {path: run for path, run in runs.items() if run.state in ("running", *QUEUED)}
    jobs = _by_job(alive)
    here = {job: jobs[job] for job in queue(jobs)}
    others = {job: _others(runs) for job, runs in here.items()}
    for path in (path for job, runs in here.items() if others[job] for path in runs):
        mark_cancelled(path)
    whole = [job for job in here if not others[job]]
    if whole and not cancel(whole):
        raise ValueError(f"SLURM has not cancelled all of {', '.join(whole)}; scancel says why")
    for job, path in ((job, path) for job, runs in here.items() for path in runs):
        kept = f"taken out of job {job}, which goes on with {', '.join(others[job])}"
        say(f"{path.name}  {kept if others[job] else f'job {job} cancelled'}")
    told = {path for runs in here.values() for path in runs}
    for path in (path for path, run in alive.items() if run.state == "running" and path not in told):
        say(f"{path.name}  {_ended(path, alive[path])}")
    if not alive:
        say(f"nothing to cancel: none of {len(runs)} runs is running or has a job in the queue")


def logs_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="the folder of a run, begun or not")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="shows what is added, until Ctrl-C")] = False,
) -> None:
    """Prints what a run's jobs have written, all attempts one after the other."""
    folder = run.absolute()
    path = log_of(folder)
    if not path.exists():
        raise ValueError(_no_log(folder))
    with path.open(encoding="utf-8", errors="replace") as file:
        shutil.copyfileobj(file, sys.stdout)
        while follow and _stands(folder).state in ("running", *QUEUED):
            sys.stdout.flush()
            time.sleep(FOLLOW_SECONDS)
            shutil.copyfileobj(file, sys.stdout)


def _stands(folder: Path) -> RunStatus:
    return state_of(folder, job_states(folder.parent, [folder.name]))


def _no_log(folder: Path) -> str:
    """Returns why there is no log.

    Raises:
        ValueError: if the folder does not exist or holds no run.
    """
    if _sent(folder) is None:
        runs = runs_below(folder)
        if folder in runs:
            return f"there is no log of {folder}: it was sent in no job; name a run that calrun submit has sent"
        names = [str(path.relative_to(folder)) for path in runs]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        return f"calrun logs wants one run, but {folder} holds {', '.join(names[:SHOWN])}{more}; name one of them"
    status = _stands(folder)
    return f"there is no log of {folder.name} yet: it is {status.state} ({status.note}); look again when it has begun"


def _sent(folder: Path) -> SentJob | None:
    return latest_jobs(folder.parent).get(folder.name)


def _by_job(folders: Iterable[Path]) -> dict[str, list[Path]]:
    """Returns the runs that were sent in each job."""
    found: dict[str, list[Path]] = {}
    for folder in folders:
        if sent := _sent(folder):
            found.setdefault(sent.job, []).append(folder)
    return found


def _others(named: Sequence[Path]) -> list[str]:
    """Returns the runs that share a job with some and are neither over nor cancelled."""
    sent = _sent(named[0])
    names = [path.name for path in named]
    rest = [named[0].parent / name for name in (sent.runs if sent else ()) if name not in names]
    return [path.name for path in rest if _stands(path).state in ("running", *QUEUED)]


def _ended(folder: Path, run: RunStatus) -> str:
    """Tells the process to end that holds a run, and returns what became of it, in words."""
    found = newest(folder)
    holder = found.holder if found else None
    if holder is None or holder.machine != machine():
        return f"is played elsewhere ({holder or 'by an unknown process'}); end it there"
    try:
        os.kill(holder.pid, signal.SIGTERM)
    except ProcessLookupError:
        return "has ended"
    except PermissionError:
        return f"is {holder}, which belongs to somebody else"
    return f"{holder} told to end"
