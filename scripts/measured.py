"""How the selection benchmarks measure: seconds, the resident set's peak, and a process of its own for each case."""

import ctypes
import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

PROCESS = Path("/proc/self")


def measured(run: Callable[[], Any], repeats: int) -> tuple[float, float, Any]:
    """Returns median seconds, peak MiB above what was there before, and the last result.

    The peak is the kernel's own (VmHWM), so none is too short to be seen; pages of files, such as libraries that are
    used for the first time, do not count. Linux only.
    """
    ctypes.CDLL(None).malloc_trim(0)  # what was freed before must not hide what is taken now
    (PROCESS / "clear_refs").write_text("5")
    before = resident("RssAnon")
    seconds, answer = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        answer = run()
        seconds.append(time.perf_counter() - start)
    peak = resident("VmHWM") - resident("RssFile")
    return statistics.median(seconds), (peak - before) / 2**20, answer


def resident(field: str) -> int:
    """Returns a field of the process's status in bytes.

    Raises:
        OSError: if there is no such field, as on systems other than Linux.
    """
    for line in (PROCESS / "status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    raise OSError(f"{PROCESS}/status has no {field}; the benchmarks measure memory on Linux only")


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Returns what a function returns in a new process, where no earlier case has left memory behind."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()
