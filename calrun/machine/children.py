"""Makes child processes obey only their parent and die with it.

Otherwise a forked child has its parent's signal handlers, submitit's among them, and outlives a parent that is killed.
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
from types import TracebackType

FOR_THE_PARENT = ("SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCONT")
PR_SET_PDEATHSIG = 1
WATCH_SECONDS = 1.0


@contextmanager
def signals_held() -> Iterator[None]:
    """Holds signals back, also in children started inside, until each child has called `heed_the_parent`.

    A mask alone is not enough: it holds for one thread, and a signal may reach any.
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
    """Makes this child ignore signals to its parent's group, end when the parent says so, and die with the parent."""
    die_with(parent)
    sys.excepthook = _quiet_about_the_parent
    for signum in _for_the_parent():
        signal.signal(signum, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # it tells who has sent a signal; where it is missing, any SIGTERM ends a child
        threading.Thread(target=_end_for, args=(parent,), daemon=True).start()
    waiting = set() if hasattr(signal, "sigwaitinfo") else {signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_for_the_parent(), *waiting})


def die_with(parent: int) -> None:
    """Kills this process when its parent dies, for whatever reason."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # the parent died first
        os.kill(os.getpid(), signal.SIGKILL)


def run_bound(command: list[str]) -> int:
    """Runs a command that dies with this process; returns its exit code."""
    bind = partial(die_with, os.getpid()) if sys.platform == "linux" else None  # elsewhere it would need a thread
    return subprocess.run(command, check=False, preexec_fn=bind).returncode


def _for_the_parent() -> set[signal.Signals]:
    return {getattr(signal, name) for name in FOR_THE_PARENT if hasattr(signal, name)}


def _quiet_about_the_parent(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Ignores the errors of a child's threads when the parent ends in the middle of a message."""
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
