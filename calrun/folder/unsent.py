"""Whether a logger lacks something of a run: it was chosen later, or the run ended before it had sent everything."""

from contextlib import suppress
from pathlib import Path

from omegaconf import DictConfig

OPEN_FILE = "logger-open"  # names the class of the logger that has begun and not ended
MIRRORS = "calrun.logger."  # loggers of calrun's own, each with a file that says under which id a run was sent


def id_file(folder: Path, option: str) -> Path:
    """Returns the file with the id of a run's mirror."""
    return folder / f"{option}-id"


def is_unsent(folder: Path, cfg: DictConfig) -> bool:
    """Tells whether the logger of a configuration has never begun for a run, or was begun and has not ended."""
    target = str(cfg.logger.get("_target_"))
    option = target.removeprefix(MIRRORS).partition(".")[0]
    if target.startswith(MIRRORS) and option != "base" and not id_file(folder, option).exists():
        return True
    with suppress(OSError, ValueError):
        return (folder / OPEN_FILE).read_text(encoding="utf-8").strip() == target
    return False
