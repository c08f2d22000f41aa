"""The cluster's job that this process is part of, where its words go, and what it ends with."""

import atexit
import os
import sys
from dataclasses import dataclass
from pathlib import Path

JOB_PROGRAM = "submitit.core._submit"


@dataclass(frozen=True)
class Job:
    """A job of SLURM's; the id is empty outside one.

    Args:
        attempt: how often the job has been requeued.
    """

    id: str = ""
    attempt: int = 0


def this_job() -> Job:
    """Returns the job that this process is part of."""
    attempt = os.environ.get("SLURM_RESTART_COUNT", "")
    return Job(os.environ.get("SLURM_JOB_ID", ""), int(attempt) if attempt.isdigit() else 0)


def this_log() -> dict[str, str | int] | None:
    """Returns the job and the files that its output and errors go to; `None` where this process has no such files."""
    job, paths = this_job(), _submitit_paths() or _redirected()
    if not paths or not (job.id or os.environ.get("SUBMITIT_EXECUTOR")):
        return None
    return {"job": job.id, "attempt": job.attempt, **paths}


def end_with(code: int) -> None:
    """Makes a job's process end with an exit code of its own, which its cluster and whoever waits for it can see.

    The process in which submitit plays a job takes whatever the job has ended with for its result, and ends with 0. Any
    other process is left alone.
    """
    if getattr(sys.modules["__main__"].__spec__, "name", "") == JOB_PROGRAM:
        atexit.register(_end, code)


def _end(code: int) -> None:
    atexit.unregister(_end)
    atexit._run_exitfuncs()  # those of other modules, which would come after this one
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _submitit_paths() -> dict[str, str] | None:
    if not os.environ.get("SUBMITIT_EXECUTOR") or not os.environ.get("SUBMITIT_FOLDER"):
        return None
    from submitit import JobEnvironment

    paths = JobEnvironment().paths
    return {"stdout": str(paths.stdout), "stderr": str(paths.stderr)}


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
