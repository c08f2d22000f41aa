"""Which jobs an experiment's runs were sent in: one line for each job, appended, in a hidden folder beside the runs."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import sleep

from calrun.folder.claim import Claim, HeldError
from calrun.machine.files import BROKEN, make_folder

JOBS = ".jobs"
WAIT_SECONDS = 0.2


@dataclass(frozen=True)
class SentJob:
    """A job that was submitted.

    Args:
        job: its id as squeue shows it, with the number of the task in an array.
        runs: names of the folders of the runs that it plays.
        submitted: when, in UTC.
    """

    job: str
    runs: tuple[str, ...]
    submitted: str


def jobs_folder(experiment: Path) -> Path:
    """Returns the folder of what belongs to an experiment's jobs."""
    return experiment / JOBS


def log_of(folder: Path) -> Path:
    """Returns the file that a run's output goes to where it is played by a job; every attempt adds to it."""
    return jobs_folder(folder.parent) / f"{folder.name}.log"


def add_jobs(experiment: Path, sent: Sequence[SentJob]) -> None:
    """Adds jobs that were just submitted."""
    with _file(experiment).open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(asdict(job)) + "\n" for job in sent))


def latest_jobs(experiment: Path) -> dict[str, SentJob]:
    """Returns the last job that each run was sent in, by the run's name; lines that cannot be read are left out."""
    found: dict[str, SentJob] = {}
    for job in _read(_file(experiment)):
        found |= dict.fromkeys(job.runs, job)
    return found


def mark_cancelled(folder: Path) -> None:
    """Notes that a run is not to be played by the job that it was sent in, which may hold others."""
    _mark(folder).touch()


def is_cancelled(folder: Path) -> bool:
    """Tells whether a run was cancelled since it was sent."""
    return _mark(folder).exists()


def forget_cancelled(folder: Path) -> None:
    """Forgets that a run was cancelled: it is sent again."""
    _mark(folder).unlink(missing_ok=True)


def _mark(folder: Path) -> Path:
    return jobs_folder(folder.parent) / f"{folder.name}.cancelled"


@contextmanager
def submitting(experiment: Path) -> Iterator[None]:
    """Holds the right to submit runs of an experiment; waits while another process does."""
    make_folder(jobs_folder(experiment))
    while True:
        try:
            claim = Claim(experiment, "submit")
            break
        except HeldError:
            sleep(WAIT_SECONDS)
    try:
        yield
    finally:
        claim.release()


def _file(experiment: Path) -> Path:
    return jobs_folder(experiment) / "jobs.jsonl"


def _read(path: Path) -> Iterator[SentJob]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return
    for line in lines:
        try:
            said = json.loads(line)
            yield SentJob(str(said["job"]), tuple(map(str, said["runs"])), str(said["submitted"]))
        except BROKEN:
            continue
