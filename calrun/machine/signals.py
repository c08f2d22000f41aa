"""The one owner of a process's signals: whatever the command is doing, a signal ends it with one line and no damage.

Nothing else installs handlers, not even Lightning's Trainer (calrun/training/trainer.py). If somebody else owns the
process, as submitit does in a SLURM job, nothing is installed and their handlers stay in force.
"""

import _thread
import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
IMPATIENT_SECONDS = 1.0  # delay after which a second signal counts: before it, the first may have come twice
GRACE_SECONDS = 20.0  # time in which files, loggers and processes can be closed
RETRY_SECONDS = 0.01
UNTOUCHED = (signal.SIG_DFL, signal.default_int_handler)


class Ended(SystemExit):
    """A signal told the process to end; the code is what a shell reports of it, 128 + the signal's number."""


@contextmanager
def heeded(told: bool = True) -> Iterator[None]:
    """Ends what runs inside, at any instant, when a signal comes: with one line, and exit code 128 + its number.

    Signals that are ignored, or that somebody else handles, are left alone.

    Args:
        told: whether the line is printed.

    Raises:
        Ended: in place of whatever the signal raised inside.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = Owner(told)
    owner.install()
    try:
        yield
    except BaseException:
        if owner.signum is None:
            raise
    finally:
        owner.uninstall()
    if owner.signum is not None:
        if told:
            print(last_line(owner.signum), file=sys.stderr, flush=True)
        raise Ended(128 + owner.signum)


def last_line(signum: int) -> str:
    """Returns the last line of a process that a signal ends."""
    how = "interrupted" if signum == signal.SIGINT else f"ended by {signal.Signals(signum).name}"
    return f"calrun: {how}; the same command goes on from here"


def end_process(code: int) -> None:
    """Ends the process after its exit functions; the interpreter would take seconds to collect the rest."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class Owner:
    """Turns the first signal into an exception, and makes sure that it ends the process."""

    def __init__(self, told: bool = True) -> None:
        self.told = told
        self.signum: int | None = None
        self.since = 0.0
        self.pid = os.getpid()
        self.before: dict[int, Any] = {}
        self.unraisable = sys.unraisablehook

    def install(self) -> None:
        """Takes the signals that nobody else handles."""
        for signum in (getattr(signal, name) for name in ENDING if hasattr(signal, name)):
            if signal.getsignal(signum) in UNTOUCHED:
                self.before[signum] = signal.signal(signum, self.end)
        sys.unraisablehook = self.raise_later

    def uninstall(self) -> None:
        """Gives the signals back."""
        sys.unraisablehook = self.unraisable
        for signum, handler in self.before.items():
            signal.signal(signum, handler)
        self.before = {}

    def end(self, signum: int, frame: FrameType | None) -> None:
        """Handles a signal.

        Raises:
            Ended: inside the work, so that it closes what it holds.
        """
        if os.getpid() != self.pid:  # a child that was forked with this handler
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
            return
        if self.signum is not None:
            if time.monotonic() - self.since > IMPATIENT_SECONDS:
                self.end_at_once()
            return
        self.signum, self.since = signum, time.monotonic()
        _thread.start_new_thread(self.watch, ())
        raise Ended(128 + signum)

    def end_at_once(self) -> None:
        """Ends the process without closing anything: a run can be resumed even then."""
        assert self.signum is not None
        if self.told:
            os.write(2, (last_line(self.signum) + "\n").encode())
        os._exit(128 + self.signum)

    def watch(self) -> None:
        """Ends the process when closing takes too long, or when a library has swallowed the exception."""
        time.sleep(GRACE_SECONDS)
        if self.before:
            self.end_at_once()

    def raise_later(self, unraisable: Any) -> None:
        """Sends the signal again if its exception was raised where Python drops it, such as a destructor."""
        if not isinstance(unraisable.exc_value, Ended) or self.signum is None:
            self.unraisable(unraisable)
            return
        signum, self.signum = self.signum, None
        _thread.start_new_thread(self.send_later, (signum,))

    def send_later(self, signum: int) -> None:
        time.sleep(RETRY_SECONDS)
        if self.before:
            os.kill(self.pid, signum)
