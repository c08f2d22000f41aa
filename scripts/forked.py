"""The command calrun in a forked child of a process that has imported everything already."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.util import _exit_function
from pathlib import Path
from typing import Any

from calrun.cli import main as command

GIVE_UP_SECONDS = 120.0
ORPHANS_LIVE_SECONDS = 3.0  # time to end: a killed process of torch is slow to give its memory back


@dataclass
class Ending:
    """How a child ended: its exit code according to `waitpid`, and the processes of its session that lived on."""

    code: int
    out: str
    err: str
    orphans: list[str] = field(default_factory=list)


def played(words: list[str], folder: Path, prepare: Callable[[], None] | None = None) -> Ending:
    """Runs the command in a forked child of this process, in a session of its own, once the child is prepared."""
    out, err = folder / "out", folder / "err"
    child = os.fork()
    if not child:
        become_the_command(words, out, err, prepare)
    deadline = time.monotonic() + GIVE_UP_SECONDS
    ended, status = os.waitpid(child, os.WNOHANG)
    while not ended and time.monotonic() < deadline:
        time.sleep(0.005)
        ended, status = os.waitpid(child, os.WNOHANG)
    orphans = living(child) if ended else ["the run itself"]
    deadline = time.monotonic() + ORPHANS_LIVE_SECONDS
    while ended and orphans and time.monotonic() < deadline:
        time.sleep(0.05)
        orphans = living(child)
    if orphans:
        os.killpg(child, signal.SIGKILL)
    if not ended:
        _, status = os.waitpid(child, 0)
    return Ending(os.waitstatus_to_exitcode(status), out.read_text(), err.read_text(), orphans)


def become_the_command(words: list[str], out: Path, err: Path, prepare: Callable[[], None] | None) -> None:
    """Plays the command and ends the process, as the installed command would."""
    os.setsid()
    for path, number in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = ["calrun", "run", *words]
    code: Any = 1
    try:
        if prepare is not None:
            prepare()
        command()
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        end_as_python_does(code)


def end_as_python_does(code: int) -> None:
    """Waits for children, as an interpreter does at its end, and ends the process."""
    _exit_function()
    os._exit(code & 0xFF)


def living(session: int) -> list[str]:
    """Returns the processes of a session that are neither dead nor zombies."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of_session = stat.read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        if int(of_session) == session and state not in "ZX":
            found.append(stat.parent.name)
    return found
