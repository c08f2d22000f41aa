"""A process that plays one order and nothing else: it ends with its launcher, and its exit code says how it ended."""

import errno
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path

from calrun.errors import exit_code, is_mistake, sentence
from calrun.folder.anew import wanted
from calrun.folder.status import last_error
from calrun.folder.sweep_file import SWEEP_VARIABLE, note_refusal
from calrun.machine.signals import ENDING, Ended, end_process
from calrun.machine.streams import make_patient
from calrun.oracle.wanted import LabelsWanted
from calrun.sweep.order import Order

AGAIN = 75  # exit code of a run that the machine has failed, not the user: it may go on later (sysexits.h, EX_TEMPFAIL)
MACHINES_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE)


def play_order(order: Order, environment: dict[str, str], log: Path | None) -> None:
    """Plays an order and ends the process.

    Args:
        order: what to play.
        environment: of the launcher, whose process this one is not a copy of.
        log: the file that output and errors are added to; `None`: the launcher's own.
    """
    threading.Thread(target=_end_with_launcher, daemon=True).start()
    multiprocessing.set_start_method(None, force=True)  # loader workers start as they do in a command that was typed
    for name in ENDING:
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        for number in (1, 2):
            os.dup2(file, number)
    os.environ.clear()
    os.environ.update(environment, **{SWEEP_VARIABLE: order.sweep})
    os.chdir(order.place)
    end_process(_played(order, in_log=log is not None))


def _played(order: Order, in_log: bool) -> int:
    from calrun.cli import play_words
    from calrun.machine.signals import heeded

    wanted.fresh, wanted.accept_code, wanted.seen = order.fresh is not None, False, order.fresh
    wanted.code = order.code
    make_patient()
    try:
        with heeded(told=in_log):
            play_words(list(order.words))
    except Ended as ended:
        return int(ended.code or 0)
    except Exception as error:
        return _told(order, error, in_log)
    return 0


def _told(order: Order, error: Exception, in_log: bool) -> int:
    """Says why a run failed wherever one looks for it, and returns the exit code."""
    if in_log:
        print(f"calrun: {sentence(error)}", file=sys.stderr)
    if os.environ.get("CALRUN_DEBUG") == "1" or not (is_mistake(error) or isinstance(error, LabelsWanted)):
        traceback.print_exception(error)
    if not isinstance(error, LabelsWanted) and last_error(order.folder) != sentence(error):
        with suppress(OSError):
            note_refusal(order.folder, sentence(error), exit_code(error))
    if isinstance(error, OSError) and error.errno in MACHINES_FAULTS:
        return AGAIN
    return exit_code(error)


def _end_with_launcher() -> None:
    launcher = multiprocessing.parent_process()
    if launcher is not None:
        launcher.join()
        os.kill(os.getpid(), signal.SIGKILL)
