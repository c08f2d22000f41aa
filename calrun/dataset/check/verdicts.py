"""What earlier checks found out about picture files, kept between runs; without it every check starts from nothing."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import PIL

from calrun.machine.files import replace_text

VERSION = 1  # version of the check: another number discards all verdicts


class Verdict(NamedTuple):
    """What is known about a file.

    Args:
        size: bytes.
        changed: its time of modification, nanoseconds.
        decoded: whether all its pixels were read, or only its header.
        fault: why it cannot be used; `None` if nothing is known against it.
        peak: the largest value of a 16-bit grey picture; `None` for others.
    """

    size: int
    changed: int
    decoded: bool
    fault: str | None = None
    peak: int | None = None

    def covers(self, size: int, changed: int, decode: bool) -> bool:
        """Tells whether the verdict still holds for a file of this size and time, and answers what is asked now.

        A fault never holds: permissions and disks can be mended without changing the file's time.
        """
        return (self.size, self.changed) == (size, changed) and self.fault is None and (self.decoded or not decode)


@dataclass(frozen=True)
class Verdicts:
    """The verdicts on a folder's files by their names in it.

    Args:
        path: the file that keeps them.
        known: by name.
    """

    path: Path
    known: dict[str, Verdict]

    @classmethod
    def of(cls, root: Path, white: float | None) -> "Verdicts":
        """Returns the verdicts that earlier checks left on a folder; none if they cannot be read."""
        asked = json.dumps([VERSION, PIL.__version__, os.path.realpath(root), white])
        path = cache_folder() / f"pictures-{hashlib.sha256(asked.encode()).hexdigest()[:16]}.json"
        try:
            stored = json.loads(path.read_text())
            return cls(path, {name: Verdict(*fields) for name, fields in stored.items()})
        except (OSError, ValueError, TypeError, AttributeError, RuntimeError):
            return cls(path, {})

    def keep(self) -> None:
        """Writes the verdicts to disk where that is possible."""
        try:
            replace_text(self.path, json.dumps(self.known, separators=(",", ":")), durable=False)
        except (OSError, RuntimeError):
            return


def cache_folder() -> Path:
    """Returns where calrun keeps what it can find out again: $XDG_CACHE_HOME/calrun or ~/.cache/calrun."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(named) if os.path.isabs(named) else Path("~/.cache").expanduser()) / "calrun"  # noqa: PTH117
