"""Where the lines of finished rounds go besides the run folder."""

from pathlib import Path
from typing import Any


class Logger:
    """Sends nothing anywhere: the run folder holds it all."""

    def start(self, folder: Path, config: dict[str, Any], finished: list[dict[str, Any]]) -> None:
        """Begins or resumes a run; `finished` are the lines of rounds that were played before."""

    def log(self, line: dict[str, Any]) -> None:
        """Takes the line of a round that has just been committed."""

    def finish(self, exit_code: int) -> None:
        """Ends the run; the exit code is 0 if it is finished, 130 or 143 if it was interrupted, else it failed."""
