"""The cluster job that this process is part of, where its output goes, and its exit code."""

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from calrun.machine.signals import end_process, heeded

JOB_PROGRAM = "submitit.core._submit"
ASK_SECONDS = 10.0  # time for SLURM's answer: it gives a job that it ends 30 s


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
    job, paths = this_job(), _submitit_paths() or _redirected()
    if not paths or not (job.id or os.environ.get("SUBMITIT_EXECUTOR")):
        return None
    return {"job": job.id, "attempt": job.attempt, **paths}


def end_with(code: int) -> None:
    """Makes a job's process end with an exit code of its own, for its cluster and whoever waits for it to see.

    The process in which submitit plays a job takes whatever the job ends with as its result, and exits with 0. Any
    other process is left alone.
    """
    if _is_submitits():
        atexit.register(_end, code)


@contextmanager
def cancellable() -> Iterator[None]:
    """In a submitit process, ends what runs inside when SLURM ends the job: at once, and with one line.

    submitit ignores SIGTERM, which may be a mere warning before preemption, and would work on until SIGKILL.
    """
    if not _is_submitits():
        yield
        return
    theirs: Any = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with heeded():
            ours: Any = signal.getsignal(signal.SIGTERM)

            def end(signum: int, frame: FrameType | None) -> None:
                (ours if _is_ending() else theirs)(signum, frame)

            signal.signal(signal.SIGTERM, end)
            yield
    except SystemExit as ended:
        end_with(ended.code if isinstance(ended.code, int) else 1)  # the interpreter takes seconds to go
        raise
    finally:
        signal.signal(signal.SIGTERM, theirs)


def _is_ending() -> bool:
    """Tells whether SLURM has decided that this job ends: then it requeues the job by itself, or not at all."""
    command = ["squeue", "--noheader", "--format=%T", f"--jobs={this_job().id}"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS, check=False).stdout.split()
    except (OSError, subprocess.TimeoutExpired):
        return False
    return bool(told) and "RUNNING" not in told


def _is_submitits() -> bool:
    return getattr(sys.modules["__main__"].__spec__, "name", "") == JOB_PROGRAM


def _end(code: int) -> None:
    atexit.unregister(_end)  # those of other modules would come after this one
    end_process(code)


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
