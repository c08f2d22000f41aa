"""Which process this is, in words that other processes can check."""

import os
import socket
from functools import cache
from pathlib import Path


def num_cpus() -> int:
    """Returns how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def machine() -> str:
    """Returns a text that two processes share if they can find each other by process number.

    A host's name is not enough: containers may share it but not their processes, and numbers are used again after the
    machine has restarted.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()} {boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux
        return socket.gethostname()


def began(pid: int) -> str | None:
    """Returns when a process began, in the kernel's units; empty if it has ended, `None` if it cannot be known."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return ""
    except PermissionError:  # another user's
        pass
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return "" if fields[0] in "ZX" else fields[19]  # a zombie has ended, though nobody has fetched its exit code
