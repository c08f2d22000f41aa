"""The commands `calrun submit`, `calrun cancel` and `calrun logs`."""

import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from omegaconf import OmegaConf

from calrun.folder.claim import newest
from calrun.folder.status import RunStatus
from calrun.machine.process import machine
from calrun.places import CONF
from calrun.slurm.jobs_file import latest_jobs, log_of
from calrun.slurm.queue import cancel, queue
from calrun.text.say import say
from calrun.text.words import at_home

LAUNCHER = "hydra/launcher"
FOLLOW_SECONDS = 0.5
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

    runs = {path: run for folder in folders for path, run in overview(folder).items()}
    waiting = {path: run for path, run in runs.items() if run.state not in ("finished", "failed", "labels wanted")}
    jobs = dict.fromkeys(job for path in waiting if (job := _job(path)))
    here = queue(jobs)
    if here and not cancel([*here]):
        raise ValueError(f"SLURM has not cancelled all of {', '.join(here)}; scancel says why")
    for path, run in waiting.items():
        if (job := _job(path)) in here:
            say(f"{path.name}  job {job} cancelled")
        elif run.state == "running":
            say(f"{path.name}  {_ended(path, run)}")
    if not here and not any(run.state == "running" for run in waiting.values()):
        say(f"nothing to cancel: none of {len(runs)} runs is running or has a job in the queue")


def logs_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="the folder of a run, begun or not")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="shows what is added, until Ctrl-C")] = False,
) -> None:
    """Prints what a run's jobs have written, all attempts one after the other."""
    path = log_of(run.absolute())
    if not path.exists():
        raise ValueError(
            f"there is no log of {run} ({path}); only runs that were sent in jobs have one: name a folder that calrun "
            "status shows"
        )
    with path.open(encoding="utf-8", errors="replace") as file:
        shutil.copyfileobj(file, sys.stdout)
        while follow:
            sys.stdout.flush()
            time.sleep(FOLLOW_SECONDS)
            shutil.copyfileobj(file, sys.stdout)


def _job(folder: Path) -> str:
    sent = latest_jobs(folder.parent).get(folder.name)
    return sent.job if sent else ""


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
