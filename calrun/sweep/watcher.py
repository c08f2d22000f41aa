"""A multirun shown live on a terminal: a bar, and a line for each round that any of its runs commits."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from calrun.folder.round_line import read_rounds, round_text

REFRESH_SECONDS = 0.5


class Watcher:
    """A live bar of a multirun, and a line for every round that any of its runs commits."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = list(dict.fromkeys(folders))
        self.seen = {folder: len(_rounds(folder)) for folder in self.folders}
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("rounds"))
        self.progress = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(highlight=False))
        self.task = self.progress.add_task("runs", total=None)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        """Begins to watch."""
        self.progress.start()
        self.thread.start()

    def stop(self) -> None:
        """Shows what has come since the last look and clears the bar."""
        self.stopping.set()
        self.thread.join()
        self.look()
        self.progress.stop()

    def look(self) -> None:
        """Prints the rounds committed since the last look."""
        done, total = 0, 0
        finished = 0
        for folder in self.folders:
            lines = _rounds(folder)
            for line in lines[self.seen[folder] :]:
                self.progress.console.print(round_text(folder.name, line), soft_wrap=True, markup=False)
            self.seen[folder] = len(lines)
            done += len(lines)
            total = max(total, lines[-1]["rounds"] if lines else 0)
            finished += bool(lines) and lines[-1]["round"] == lines[-1]["rounds"]
        text = f"{finished} of {len(self.folders)} runs finished"
        self.progress.update(self.task, description=text, completed=done, total=total * len(self.folders) or None)

    def _follow(self) -> None:
        while not self.stopping.wait(REFRESH_SECONDS):
            self.look()


def _rounds(folder: Path) -> list[dict[str, Any]]:
    """Returns what a run has committed; empty if it is damaged, which is reported when it is played."""
    try:
        return read_rounds(folder / "rounds.jsonl")
    except (ValueError, OSError):
        return []
