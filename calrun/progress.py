"""What a run says while it works: a live line for the epochs on a terminal, and one aligned line a round everywhere."""

import time
from typing import Any

from rich.console import Console
from rich.status import Status

from calrun.record import Record
from calrun.stop import EpochFigures

REFRESH_SECONDS = 0.5


class Progress:
    """Prints a run's rounds and keeps its status file fresh; refreshes by time, never by step.

    Args:
        record: whose status file tells other processes the same.
        quiet: prints nothing, because somebody else shows the run folders.
    """

    def __init__(self, record: Record, quiet: bool) -> None:
        self.record, self.name, self.quiet = record, record.folder.name, quiet
        self.console = Console(highlight=False, soft_wrap=True)
        self.live: Status | None = None
        self.shown = 0.0
        if self.console.is_terminal and not quiet:
            self.live = self.console.status(self.name, refresh_per_second=2)
            self.live.start()

    @staticmethod
    def say(line: str, quiet: bool) -> None:
        """Prints a line, plainly."""
        if not quiet:
            Console(highlight=False, soft_wrap=True).print(line)

    def epoch(self, number: int, most: int, figures: EpochFigures) -> None:
        """Takes the end of an epoch."""
        if time.monotonic() - self.shown < REFRESH_SECONDS:
            return
        self.shown = time.monotonic()
        self.record.status(**self.record.last_status | {"epoch": number, "epochs": most})
        if self.live is not None:
            where = self.record.last_status
            self.live.update(
                f"{self.name}  round {where['round']}/{where['rounds']}  epoch {number}/{most}  "
                f"train accuracy {figures.train_accuracy:.1%}"
            )

    def round(self, line: dict[str, Any]) -> None:
        """Takes a committed round."""
        if not self.quiet:
            self.console.print(round_text(self.name, line))

    def close(self) -> None:
        """Clears the live line."""
        if self.live is not None:
            self.live.stop()


def round_text(name: str, line: dict[str, Any]) -> str:
    """Returns the line that the terminal shows of a finished round."""
    test, seconds = next(iter(line["test"].values())), line["seconds"]
    return (
        f"{name}  round {line['round']:>2}/{line['rounds']:<2}  labels {line['labelled']:>7}  "
        f"accuracy {test['accuracy']:6.2%}  train {line['train_accuracy']:6.2%}  fit {seconds['fit']:7.1f} s  "
        f"score {seconds.get('score', 0):5.1f} s  select {seconds.get('select', 0):5.1f} s  "
        f"epochs {line['epochs']:>3}  stop: {line['stop_reason']}"
    )
