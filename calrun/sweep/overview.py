"""`calrun status`: how runs stand, by what their folders say and, where they were sent to SLURM, by what it says."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from calrun.folder.status import RunStatus, counts, run_status, runs_below, shown
from calrun.slurm.state import NOT_ASKED, QUEUED, JobState, job_states, with_job
from calrun.text.say import warn

WATCH_SECONDS = 5.0
HEADERS = ("run", "state", "round", "accuracy or reason", "updated")


def overview(folder: Path) -> dict[Path, RunStatus]:
    """Returns how each run below a folder stands, by its folder.

    Raises:
        ValueError: if the folder does not exist or holds no run.
    """
    runs = runs_below(folder)
    return dict(zip(runs, with_jobs(runs), strict=True))


def standing(folders: Iterable[Path]) -> list[RunStatus]:
    """Returns how each of some runs stands, begun or not."""
    return with_jobs({folder: run_status(folder) for folder in folders})


def with_jobs(runs: Mapping[Path, RunStatus]) -> list[RunStatus]:
    """Returns how runs stand, given what their folders say; SLURM is asked only where a job can change the answer."""
    unsettled = [path for path, run in runs.items() if run.state not in NOT_ASKED]
    jobs: dict[Path, JobState] = {}
    for experiment in dict.fromkeys(path.parent for path in unsettled):
        try:
            known = job_states(experiment, [path.name for path in unsettled if path.parent == experiment])
        except OSError as error:
            warn(f"SLURM does not say how the jobs of {experiment} stand ({error}); only run folders are shown")
            continue
        jobs |= {experiment / name: job for name, job in known.items()}
    return [with_job(path, run, jobs.get(path)) for path, run in runs.items()]


def show(folder: Path, watched: bool = False) -> None:
    """Prints a table of the runs below a folder and a line that counts them.

    Args:
        folder: a run, an experiment, or all outputs.
        watched: whether to show it anew until no run is running or in the queue.
    """
    runs = named(folder, overview(folder))
    table = table_of(runs)
    widest = Console(width=1000).measure(table).maximum
    console = Console(width=max(widest, Console().width), highlight=False, soft_wrap=True)  # names are never cut
    if not watched:
        console.print(table)
        console.print(counts(runs))
        return
    with Live(_whole(runs), console=console, auto_refresh=False) as live:
        while any(run.state in ("running", *QUEUED) for run in runs):
            time.sleep(WATCH_SECONDS)
            runs = named(folder, overview(folder))
            live.update(_whole(runs), refresh=True)


def named(folder: Path, runs: Mapping[Path, RunStatus]) -> list[RunStatus]:
    """Returns runs by names that tell them apart: those of several experiments with the experiment before them."""
    if len({path.parent for path in runs}) == 1:
        return list(runs.values())
    return [replace(run, name=str(path.relative_to(folder))) for path, run in runs.items()]


def table_of(runs: list[RunStatus]) -> Table:
    """Returns one line for each run."""
    table = Table(box=None, pad_edge=False)
    for header in HEADERS:
        table.add_column(header, no_wrap=True, overflow="ignore")
    for run in runs:
        table.add_row(*(Text(shown(cell)) for cell in (run.name, run.state, run.round, run.note, run.updated)))
    return table


def _whole(runs: list[RunStatus]) -> Group:
    return Group(table_of(runs), Text(counts(runs)))
