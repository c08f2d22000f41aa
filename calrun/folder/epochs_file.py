"""round-<t>/epochs.jsonl: what each epoch of a round has shown, kept for loggers, which send it again after a kill."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from calrun.machine.files import replace_text
from calrun.part.figures import EpochFigures


@dataclass(frozen=True)
class Epoch:
    """One epoch of a round.

    Args:
        phase: the fit of the round, from 0.
        number: counts from 1 in each phase.
        figures: what it has shown.
    """

    phase: int
    number: int
    figures: EpochFigures


def read_epochs(folder: Path, this_round: int) -> list[Epoch]:
    """Returns the epochs that are known of a round, without a line that a kill has cut off."""
    epochs: list[Epoch] = []
    with suppress(OSError, ValueError, KeyError, TypeError):
        for line in _path(folder, this_round).read_text(encoding="utf-8").splitlines():
            epochs.append(_epoch(line))
    return epochs


def write_epochs(folder: Path, this_round: int, epochs: list[Epoch]) -> None:
    """Replaces the epochs of a round."""
    replace_text(_path(folder, this_round), "".join(map(_line, epochs)), durable=False)


def add_epoch(folder: Path, this_round: int, epoch: Epoch) -> None:
    """Adds an epoch to those of a round."""
    with _path(folder, this_round).open("a", encoding="utf-8") as file:
        file.write(_line(epoch))


def _path(folder: Path, this_round: int) -> Path:
    return folder / f"round-{this_round}" / "epochs.jsonl"


def _line(epoch: Epoch) -> str:
    return json.dumps({"phase": epoch.phase, "epoch": epoch.number, **asdict(epoch.figures)}) + "\n"


def _epoch(line: str) -> Epoch:
    found = json.loads(line)
    return Epoch(found.pop("phase"), found.pop("epoch"), EpochFigures(**found))
