"""Plays orders, each in a process of its own, several at a time; a process that dies takes no other with it.

Processes are forked from a server that has imported everything, so that a run begins at once and shares its memory.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from calrun.folder.deaths import Deaths, place_of
from calrun.folder.sweep_file import note_refusal
from calrun.machine.signals import ENDING
from calrun.sweep.child import AGAIN, play_order
from calrun.sweep.order import Order
from calrun.text.say import warn

STOP_SECONDS = 4.0  # time in which a run that is told to end may close what it holds
LOOK_SECONDS = 0.2
AGAIN_SECONDS = 20.0  # delay before a run goes on that the machine has failed, by a full disk for example
FAULT = 1
KILLED = 128  # exit codes above it: a process of the run was ended by the signal of that number and 128
SERVED = "calrun.play"  # what the server imports: everything that trains
CANCELLED = 128 + signal.SIGTERM
TOLD = tuple(128 + getattr(signal, name) for name in ENDING)


@dataclass(frozen=True)
class Ending:
    """How a run's process has ended for good.

    Args:
        order: what it played.
        code: its exit code; 0: the run is finished.
        why: what became of it, if it could not say so itself.
    """

    order: Order
    code: int
    why: str = ""


class Supervisor:
    """Plays orders side by side.

    Args:
        at_once: how many of them.
        log: where the output of an order goes; by default to this process's own.
        passing: exit codes after which a run goes on, because what has ended it may pass.
        unwanted: whether a run has been cancelled meanwhile: it is ended, or not begun.
    """

    def __init__(
        self,
        at_once: int,
        log: Callable[[Order], Path | None] = lambda order: None,
        passing: Sequence[int] = (AGAIN,),
        unwanted: Callable[[Order], bool] = lambda order: False,
    ) -> None:
        self.at_once, self.log, self.passing, self.unwanted = at_once, log, (*passing, *TOLD), unwanted
        self.playing: dict[BaseProcess, Order] = {}
        self.later: list[tuple[float, Order]] = []  # orders that wait, and until when
        self.cut_off: list[Order] = []  # those that were being played when it was told to end
        self.is_ending = False  # a signal handler may set it: no further run is begun, and those in play are ended
        self.context = multiprocessing.get_context("forkserver")

    def play(self, orders: Sequence[Order]) -> list[Ending]:
        """Plays all orders, unless it is told to end, and returns how each ended that did, in their sequence."""
        self.later = [(0.0, order) for order in orders]
        endings: dict[Path, Ending] = {}
        _serve(self.context)
        try:
            while (self.later or self.playing) and not self.is_ending:
                for ending in (*self._cancelled(), *self._ended()):
                    endings[ending.order.folder] = ending
                self._start()
        finally:
            self.stop()
        return [endings[order.folder] for order in orders if order.folder in endings]

    def stop(self) -> None:
        """Ends every run that is being played: each closes what it holds, and goes on later."""
        waiting, self.later, self.cut_off = self.later, [], list(self.playing.values())
        for process in self.playing:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in self.playing:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
        for order in (*self.cut_off, *(order for _, order in waiting)):
            Deaths(order.folder).end()
        self.playing = {}

    def _start(self) -> None:
        now = time.monotonic()
        for entry in [entry for entry in self.later if entry[0] <= now][: self.at_once - len(self.playing)]:
            self.later.remove(entry)
            order = entry[1]
            process = self.context.Process(target=play_order, args=(order, dict(os.environ), self.log(order)))
            Deaths(order.folder).begin()
            process.start()
            self.playing[process] = order

    def _cancelled(self) -> list[Ending]:
        """Tells the runs to end that are unwanted; returns those that had not begun."""
        for process, order in self.playing.items():
            if self.unwanted(order):
                process.terminate()
        gone = [entry for entry in self.later if self.unwanted(entry[1])]
        self.later = [entry for entry in self.later if entry not in gone]
        for _, order in gone:
            Deaths(order.folder).end()
        return [Ending(order, CANCELLED, "cancelled") for _, order in gone]

    def _ended(self) -> Iterator[Ending]:
        """Yields how runs have ended for good since the last look, and sends the others on."""
        sentinels = {process.sentinel: process for process in self.playing}
        if not sentinels:
            time.sleep(LOOK_SECONDS)
        for sentinel in wait(list(sentinels), LOOK_SECONDS) if sentinels else ():
            process = sentinels[sentinel]  # type: ignore[index]
            process.join()
            order, code = self.playing.pop(process), process.exitcode or 0
            process.close()
            if code and self.unwanted(order):
                Deaths(order.folder).end()
                yield Ending(order, CANCELLED, "cancelled")
            elif 0 <= code <= KILLED and code not in self.passing:
                Deaths(order.folder).end() if code else Deaths(order.folder).forget()
                yield Ending(order, code)
            elif reason := self._goes_on(order, code):
                Deaths(order.folder).end()
                yield Ending(order, FAULT, reason)

    def _goes_on(self, order: Order, code: int) -> str:
        """Sends a run on whose process has died; returns why it does not go on, if it has died there before."""
        why, place = _words(code), place_of(order.folder)
        if code not in TOLD and (reason := Deaths(order.folder).note(why)):
            if code < 0 or code > KILLED:
                note_refusal(order.folder, reason, FAULT, self.log(order))
            return reason
        said = f"{order.name}  its process was {why} at {place}; it goes on from there"
        warn(said)
        if (log := self.log(order)) is not None:
            with suppress(OSError), log.open("a", encoding="utf-8") as file:
                file.write(f"{said}\n")
        self.later.append((time.monotonic() + (AGAIN_SECONDS if code == AGAIN else 0.0), order))
        return ""


def _words(code: int) -> str:
    """Returns what an exit code says of a process."""
    if code < 0 or (code > KILLED and code not in TOLD):
        return f"killed by {signal.Signals(abs(code) % KILLED).name}"
    return {FAULT: "ended by an error", AGAIN: "stopped by its machine"}.get(code, "told to end")


def _serve(context: multiprocessing.context.ForkServerContext) -> None:
    """Starts a server, unless there is one, that ignores the signals sent to all processes of this command."""
    from multiprocessing.forkserver import ensure_running

    context.set_forkserver_preload([SERVED])
    before = {name: signal.signal(getattr(signal, name), signal.SIG_IGN) for name in ENDING}
    try:
        ensure_running()
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
