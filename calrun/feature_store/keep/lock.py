"""One process at a time, by a lock of the kernel: that of a process that has died is gone with it."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from calrun.machine.files import make_folder

POLL_SECONDS = 0.2


@contextmanager
def locked(path: Path, wait: Callable[[], object]) -> Iterator[None]:
    """Holds the lock of a file, which is made if need be.

    Args:
        path: of the file; its holder may remove it.
        wait: is called now and then while another process holds the lock.
    """
    make_folder(path.parent)
    handle = _taken(path, wait)
    try:
        yield
    finally:
        os.close(handle)


def is_locked(path: Path) -> bool:
    """Tells whether a process holds the lock of a file; the file is neither made nor changed."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _taken(path: Path, wait: Callable[[], object]) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(path, handle):
                return handle
        except BlockingIOError:
            wait()
            time.sleep(POLL_SECONDS)
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_still(path: Path, handle: int) -> bool:
    """Tells whether a file that was opened still lies at its place: its holder may have removed it meanwhile."""
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
