"""Child processes: they heed their parent alone and die with it.

A forked child has its parent's handlers of signals, submitit's among them, and it outlives a parent that is killed.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import parent_process
from types import TracebackType

FOR_THE_PARENT = ("SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCONT")
PR_SET_PDEATHSIG = 1
WATCH_SECONDS = 1.0


@contextmanager
def signals_held() -> Iterator[None]:
    """Makes signals wait, also in the children that are started inside, until each has called `heed_the_parent`.

    A mask alone would not do: it holds for one thread, and a signal comes to any.
    """
    numbers: set[signal.Signals] = {signal.SIGTERM, *_for_the_parent()}
    waiting: list[int] = []
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        known = {number: signal.getsignal(number) for number in numbers}
        handlers = {number: handler for number, handler in known.items() if handler not in (None, signal.SIG_IGN)}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        for number in handlers:
            signal.signal(number, lambda signum, frame: waiting.append(signum))
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for came in waiting:
            signal.raise_signal(came)


def heed_the_parent(parent: int) -> None:
    """Makes this child ignore what is sent to the group of its parent, end when the parent says so, and die with it."""
    die_with(parent)
    sys.excepthook = _quiet_about_the_parent
    for signum in _for_the_parent():
        signal.signal(signum, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # it tells who has sent a signal; where it is missing, any SIGTERM ends a child
        threading.Thread(target=_end_for, args=(parent,), daemon=True).start()
    waiting = set() if hasattr(signal, "sigwaitinfo") else {signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_for_the_parent(), *waiting})


def die_with(parent: int) -> None:
    """Kills this process when its parent has died, however that came about."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it died before
        os.kill(os.getpid(), signal.SIGKILL)


def run_bound(command: list[str]) -> int:
    """Runs a command that dies with this process; returns its exit code."""
    bind = partial(die_with, os.getpid()) if sys.platform == "linux" else None  # elsewhere it would need a thread
    return subprocess.run(command, check=False, preexec_fn=bind).returncode


def die_with_launcher() -> None:
    """Binds a job that a launcher of processes plays to that launcher; does nothing in a process of its own."""
    launcher = parent_process()
    if launcher is not None and launcher.pid is not None:
        die_with(launcher.pid)


def _for_the_parent() -> set[signal.Signals]:
    return {getattr(signal, name) for name in FOR_THE_PARENT if hasattr(signal, name)}


def _quiet_about_the_parent(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Passes over what a thread of the child says when the parent ends in the middle of a word."""
    if not issubclass(kind, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, trace)


def _end_for(parent: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
