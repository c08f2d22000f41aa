"""What SLURM says of jobs that are in its queue or have left it, and what it is told to do with them."""

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

ANSWER_SECONDS = 20.0
CHUNK = 200  # job numbers in one question: a command line has an end


@dataclass(frozen=True)
class Queued:
    """A job in the queue.

    Args:
        state: such as PENDING or RUNNING.
        reason: why it waits, in SLURM's words.
        restarts: how often it has been requeued.
    """

    state: str
    reason: str = ""
    restarts: int = 0


def queue(jobs: Iterable[str]) -> dict[str, Queued]:
    """Returns those of these jobs that wait or run.

    Raises:
        OSError: if SLURM's commands are missing or do not answer.
    """
    wanted = set(jobs)
    found = {}
    for numbers in _chunks(sorted({job.partition("_")[0] for job in wanted})):
        told = _ask("squeue", "--noheader", "--array", "--Format=jobarrayid:|,state:|,reason:|,restartcnt:|", numbers)
        for line in told.splitlines():
            job, state, reason, restarts, *_ = [*line.strip().split("|"), "", "", "", ""]
            if job in wanted:
                found[job] = Queued(state, "" if reason == "None" else reason, int(restarts or 0))
    return found


def ended(jobs: Iterable[str]) -> dict[str, str]:
    """Returns the state in which each of these jobs has left the queue, where SLURM keeps accounts.

    Raises:
        OSError: if SLURM's commands are missing or do not answer.
    """
    wanted = set(jobs)
    found: dict[str, str] = {}
    whole: dict[str, str] = {}  # of arrays that were cancelled before SLURM had made tasks of them
    for numbers in _chunks(sorted({job.partition("_")[0] for job in wanted})):
        told = _ask("sacct", "--noheader", "--parsable2", "--allocations", "--format=JobID,State", numbers)
        for line in told.splitlines():
            named, _, state = line.partition("|")
            found |= dict.fromkeys(wanted.intersection(tasks(named)), state)
            whole[named] = state
    return {job: whole[array] for job in wanted if (array := job.partition("_")[0]) in whole} | found


def tasks(named: str) -> Iterator[str]:
    """Yields the jobs that SLURM means by one name, such as 7_[0-2,5%8] of tasks that never ran."""
    array, bracket, inside = named.partition("_[")
    if not bracket:
        yield named
        return
    for part in inside.rstrip("]").partition("%")[0].split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            yield from (f"{array}_{number}" for number in range(int(first), int(last or first) + 1))


def seconds_left(job: str) -> float:
    """Returns the time that a running job has left; endless if it has no limit or SLURM does not say."""
    parts = _ask("squeue", "--noheader", "--format=%L", f"--jobs={job}").strip().replace("-", ":").split(":")
    if not all(part.isdigit() for part in parts):
        return inf
    return sum(int(part) * unit for part, unit in zip(reversed(parts), (1, 60, 3600, 86400), strict=False))


def requeue(job: str) -> bool:
    """Puts a job back into the queue; tells whether SLURM did so."""
    return _tell("scontrol", "requeue", job)


def cancel(jobs: Sequence[str]) -> bool:
    """Cancels jobs; tells whether SLURM has taken all of them."""
    return all(_tell("scancel", *jobs[start : start + CHUNK]) for start in range(0, len(jobs), CHUNK))


def _chunks(numbers: list[str]) -> Iterable[str]:
    for start in range(0, len(numbers), CHUNK):
        yield "--jobs=" + ",".join(numbers[start : start + CHUNK])


def _ask(*words: str) -> str:
    """Returns what a command prints; nothing if it refuses, as squeue does a job that it no longer knows."""
    try:
        return subprocess.run(
            words, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False, errors="replace"
        ).stdout
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"{words[0]} has not answered within {ANSWER_SECONDS:g} s") from error


def _tell(*words: str) -> bool:
    try:
        return subprocess.run(words, capture_output=True, timeout=ANSWER_SECONDS, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
