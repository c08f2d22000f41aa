"""The cluster job that this process is part of, and where its output goes."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """A SLURM job; the id is empty outside one.

    Args:
        id: as squeue shows it. In an array the job number alone is not enough: one task has the whole array's.
        attempt: how often the job has been requeued.
    """

    id: str = ""
    attempt: int = 0


def this_job() -> Job:
    """Returns the job that this process is part of."""
    array, task, attempt = (
        os.environ.get(f"SLURM_{name}", "") for name in ("ARRAY_JOB_ID", "ARRAY_TASK_ID", "RESTART_COUNT")
    )
    name = f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")
    return Job(name, int(attempt) if attempt.isdigit() else 0)


def this_log() -> dict[str, str | int] | None:
    """Returns the job and the files that its output and errors go to; `None` where this process has no such files."""
    job, paths = this_job(), _redirected()
    return {"job": job.id, "attempt": job.attempt, **paths} if job.id and paths else None


def _redirected() -> dict[str, str]:
    """Returns the files that this process's output and errors are redirected to."""
    found = {}
    for number, name in ((1, "stdout"), (2, "stderr")):
        link = Path(f"/proc/self/fd/{number}")
        try:
            if link.is_file():
                found[name] = str(link.readlink())
        except OSError:
            continue
    return found
