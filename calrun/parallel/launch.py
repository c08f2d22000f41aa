"""Starts the processes that play one run, on this machine or as tasks of a SLURM step, and ends them together."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NoReturn

from calrun.errors import FailedRun
from calrun.folder.anew import wanted
from calrun.machine.children import die_with

RANK, SIZE, STORE = "CALRUN_RANK", "CALRUN_PROCESSES", "CALRUN_STORE"
LOOK_SECONDS = 0.1
END_SECONDS = 4.0
SILENT_SECONDS = 1800.0  # longest time that processes wait for each other: the first selects rows alone


def is_part() -> bool:
    """Tells whether this process is one of several that were started to play one run."""
    return RANK in os.environ or tasks_of_step() > 1


def is_further() -> bool:
    """Tells whether another process speaks for this one when a signal ends it."""
    return RANK in os.environ


def tasks_of_step() -> int:
    """Returns how many processes srun started, this one included; SLURM_NTASKS counts the whole allocation."""
    number = os.environ.get("SLURM_STEP_NUM_TASKS", "")
    return int(number) if number.isdecimal() else 1


def join() -> None:
    """Makes this process one of those that play the run."""
    import torch
    import torch.distributed as dist

    if RANK in os.environ:
        where, rank, size = f"file://{os.environ[STORE]}", int(os.environ[RANK]), int(os.environ[SIZE])
    else:
        where, rank, size = f"tcp://{first_host()}:{port()}", int(os.environ["SLURM_PROCID"]), tasks_of_step()
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(
        backend, init_method=where, rank=rank, world_size=size, timeout=timedelta(seconds=SILENT_SECONDS)
    )


def leave() -> None:
    """Ends what `join` began, or threads of the library would abort the process at its end."""
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def first_host() -> str:
    """Returns the host of the first task of a SLURM step."""
    if given := os.environ.get("MASTER_ADDR"):
        return given
    command = ["scontrol", "show", "hostnames", os.environ["SLURM_STEP_NODELIST"]]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]


def port() -> int:
    """Returns a port that two jobs on one machine are unlikely to share."""
    return 15000 + int(os.environ.get("SLURM_JOB_ID", "0")[-4:])


def play_together(folder: Path, processes: int) -> None:
    """Plays a run in several processes of this machine, and ends the others when one fails.

    Args:
        folder: the run's.
        processes: how many.

    Raises:
        SystemExit: with the exit code of the first, if that fails.
        FailedRun: if another one fails.
    """
    with tempfile.TemporaryDirectory() as scratch:
        ranks = [started(number, processes, Path(scratch), wanted.begins_anew(folder)) for number in range(processes)]
        try:
            codes = [process.poll() for process in ranks]
            while not any(codes) and None in codes:
                time.sleep(LOOK_SECONDS)
                codes = [process.poll() for process in ranks]
        finally:
            end(ranks)
        if code := next((code for code in codes if code and code < 0), 0) or next(filter(None, codes), 0):
            failed(codes.index(code), code, processes, Path(scratch))


def failed(number: int, code: int, processes: int, scratch: Path) -> NoReturn:
    """Ends this process for another that has failed, with the exit code that a shell would give it.

    A killed one comes before those that fail because it is gone.
    """
    if code > 0 and number == 0:
        raise SystemExit(code)  # it has said why
    if said := (scratch / f"{number}.log").read_text(errors="replace").strip():
        print(said, file=sys.stderr)
    if code > 0:
        raise FailedRun(f"process {number} of {processes} has ended with {code}", code)
    name = signal.Signals(-code).name
    raise FailedRun(f"process {number} of {processes} was killed by {name}; the same command goes on", 128 - code)


def started(number: int, processes: int, scratch: Path, fresh: bool) -> subprocess.Popen[bytes]:
    """Starts one process; only the first one speaks, the others have a log each."""
    place = {RANK: str(number), SIZE: str(processes), STORE: str(scratch / "store")}
    words = [*sys.argv[1:], *(["--fresh"] if fresh and number == 0 else [])]
    command = [sys.executable, "-m", "calrun.cli", "run", *words]
    bind = partial(die_with, os.getpid()) if sys.platform == "linux" else None
    environment = {**os.environ, **place, **devices(number)}
    with (scratch / f"{number}.log").open("wb") as log:
        out = None if number == 0 else log
        return subprocess.Popen(command, env=environment, process_group=0, preexec_fn=bind, stdout=out, stderr=out)


def devices(number: int) -> dict[str, str]:
    """Returns the variable that shows a process its own GPU alone, where there are GPUs."""
    import torch

    if not torch.cuda.is_available():
        return {}
    there = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(torch.cuda.device_count())))
    names = there.split(",")
    return {"CUDA_VISIBLE_DEVICES": names[number % len(names)]}


def end(ranks: list["subprocess.Popen[bytes]"]) -> None:
    """Ends the processes that have not ended."""
    for process in ranks:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + END_SECONDS
    for process in ranks:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
