"""Where the lines of finished rounds go besides the run folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from calrun.part.figures import EpochFigures


class Logger:
    """Sends nothing anywhere: the run folder holds it all."""

    def start(self, folder: Path, config: dict[str, Any], finished: Callable[[], list[dict[str, Any]]]) -> None:
        """Begins or resumes a run; `finished` reads the lines of the committed rounds, which may still be amended."""

    def epoch(self, number: int, phase: int, epoch: int, figures: EpochFigures) -> None:
        """Takes the end of an epoch, which counts from 1 in each phase, of a round that is not committed yet."""

    def log(self, line: dict[str, Any]) -> None:
        """Takes the line of a round that has just been committed."""

    def finish(self, exit_code: int) -> None:
        """Ends the run; the exit code is 0 if it is finished, 130 or 143 if it was interrupted, else it failed."""
