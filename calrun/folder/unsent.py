"""Whether a logger lacks something of a run, because it was killed or failed before it had sent everything."""

from contextlib import suppress
from pathlib import Path

from omegaconf import DictConfig

OPEN_FILE = "logger-open"  # names the class of the logger that has begun and not ended


def is_unsent(folder: Path, cfg: DictConfig) -> bool:
    """Tells whether the logger of a configuration was begun for a run and has not ended."""
    with suppress(OSError, ValueError):
        return (folder / OPEN_FILE).read_text(encoding="utf-8").strip() == str(cfg.logger.get("_target_"))
    return False
