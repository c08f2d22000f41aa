"""The bank of cells that have been played: a file each, with the cell's identity. A file of another cell is refused.

BANK/<set>/<budget>/<acquisition>/<seed>.json is written beside and renamed: a kill leaves it whole or not at all.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from calrun.arena.identity import difference, short_digest
from calrun.arena.player import Played
from calrun.machine.files import replace_file

REFUSED = "refused"  # suffix of a file that was moved aside


class Misfit(ValueError):
    """A record of another cell than the one that its place says, or a damaged one."""


class Bank:
    """The records below a folder.

    Args:
        folder: it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self, identity: dict[str, Any]) -> Path:
        """Returns where a cell's record lies."""
        folder = self.folder.joinpath(*(str(identity[each]) for each in ("set", "budget", "acquisition")))
        return folder / f"{identity['seed']}.json"

    def read(self, identity: dict[str, Any]) -> Played | None:
        """Returns what a cell has given; `None` if it was not played.

        Raises:
            Misfit: if the record is not this cell's, or was changed.
        """
        path = self.place(identity)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise Misfit(f"{path} cannot be read ({type(error).__name__})") from error
        return fitting(path, text, identity)

    def write(self, identity: dict[str, Any], played: Played) -> None:
        """Keeps a cell."""
        record = {"identity": identity, "played": asdict(played)}
        text = json.dumps(record | {"digest": short_digest(record)}, indent=1) + "\n"
        place = self.place(identity)
        replace_file(place, lambda beside: beside.write_text(text, encoding="utf-8"), durable=False, shared=True)

    def move_aside(self, identity: dict[str, Any]) -> None:
        """Takes a record that does not fit out of the bank, without losing it."""
        path = self.place(identity)
        number = 0
        while (aside := path.with_suffix(f".{REFUSED}-{number}")).exists():
            number += 1
        path.replace(aside)

    def acquisitions(self, sets: list[str]) -> set[str]:
        """Returns the names of all acquisitions that have a record on one of the sets."""
        found = (path for name in sets for path in (self.folder / name).glob("*/*/*.json"))
        return {path.parent.name for path in found}


def fitting(path: Path, text: str, identity: dict[str, Any]) -> Played:
    """Returns what a record holds.

    Raises:
        Misfit: if it is not this cell's, or was changed.
    """
    try:
        record = json.loads(text)
        kept = {key: record[key] for key in ("identity", "played")}
        came, is_whole = dict(record["identity"]), record["digest"] == short_digest(kept)
        played = Played(**record["played"])
    except (ValueError, KeyError, TypeError) as error:
        raise Misfit(f"{path} is damaged ({type(error).__name__})") from error
    if differs := difference(identity, came):
        raise Misfit(f"{path} is of another cell: it differs in {differs}")
    if not is_whole or len(record) != len(kept) + 1:
        raise Misfit(f"{path} was changed after it was written")
    return played
