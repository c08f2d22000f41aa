"""What a run says while it works: where it begins and ends, one aligned line a round, and what it is doing.

On a terminal, a live line shows what it is doing; elsewhere, one line a minute.
"""

import threading
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.text import Text

from calrun.folder.record import Record
from calrun.folder.remaining import Remaining
from calrun.folder.round_line import percent, round_text
from calrun.part.figures import EpochFigures
from calrun.text import doing
from calrun.text.duration import duration
from calrun.text.say import say

REFRESH_SECONDS = 0.5
PIPED_SECONDS = 60.0


class Progress:
    """Prints a run's rounds and keeps its status file fresh; refreshes by time, never by step.

    Args:
        record: the run's record, whose status file tells other processes the same.
        quiet: whether to print nothing, because something else shows the run folders.
        remaining: estimates the seconds that are left.
    """

    def __init__(self, record: Record, quiet: bool, remaining: Remaining) -> None:
        self.record, self.name, self.quiet, self.remaining = record, record.folder.name, quiet, remaining
        self.console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
        self.figures: EpochFigures | None = None
        self.shown, self.ended = 0.0, threading.Event()
        self.live: Status | None = None
        if not quiet:
            seconds = REFRESH_SECONDS if self.console.is_terminal else PIPED_SECONDS
            threading.Thread(target=self._follow, args=(seconds,), daemon=True).start()

    def begin(self, device: str, sizes: Sequence[int]) -> None:
        """Says where the run's folder is, on which device it is played, and its rounds and labels."""
        rounds = f"{len(sizes)} round{'s' if len(sizes) > 1 else ''}"
        say(f"{self.record.folder}  on {device}  {rounds}  {sizes[0]:,} to {sizes[-1]:,} labels", self.quiet)
        if self.console.is_terminal and not self.quiet:
            self.live = self.console.status(Text(self.name), refresh_per_second=2)
            self.live.start()

    def epoch(self, number: int, most: int, figures: EpochFigures) -> None:
        """Takes the end of an epoch."""
        self.figures = figures
        self.remaining.epoch(self.record.last_status["round"], number)
        if time.monotonic() - self.shown < REFRESH_SECONDS:
            return
        self.shown = time.monotonic()
        left = self.remaining.left(self.record.last_status["round"], number)
        known = {} if left is None else {"seconds_left": round(left)}
        self.record.status(**self.record.last_status | {"epoch": number, "epochs": most, **known})

    def round(self, line: dict[str, Any]) -> None:
        """Takes a committed round."""
        self.remaining.round(line)
        if not self.quiet:
            self.console.print(round_text(self.name, line))

    def end(self, final: float) -> None:
        """Says that the run is finished, and where, its accuracy after the last round, and what has stopped it."""
        self.close()
        why = self.record.rounds()[-1].get("stopped")
        said = f"{self.record.folder}  finished  accuracy {percent(final)}"
        say(f"{said}  stopped after round {self.record.last_status['round']}: {why}" if why else said, self.quiet)

    def close(self) -> None:
        """Clears the live line."""
        self.ended.set()
        if self.live is not None:
            self.live.stop()
            self.live = None

    def text(self) -> str:
        """Returns what the run is doing."""
        now = self.record.last_status
        if "round" not in now:
            return "  ".join(filter(None, (self.name, doing.now.text)))
        parts = [self.name, f"round {now['round']}/{now['rounds']}", str(now.get("phase", ""))]
        if "epoch" in now and now.get("phase") == "fit":
            parts.append(f"epoch {now['epoch']}/{now['epochs']}")
            parts += [] if self.figures is None else [f"train accuracy {self.figures.train_accuracy:.1%}"]
        parts += [doing.now.text] if doing.now.text else []
        left = self.remaining.left(now["round"], now.get("epoch", 0))
        return "  ".join([*parts, *([] if left is None else [f"at most {duration(left)} left"])])

    def _follow(self, seconds: float) -> None:
        while not self.ended.wait(seconds):
            live = self.live
            if live is not None:
                live.update(Text(self.text()))
            elif not self.console.is_terminal:
                say(self.text())
