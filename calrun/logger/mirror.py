"""What the loggers with W&B's calls share: a run folder is mirrored by one run of the library, each number once.

The folder is the truth. What a killed attempt has sent and the library still holds is not sent again; the rest is.
"""

import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from calrun.folder.epochs_file import Epoch, add_epoch, read_epochs, write_epochs
from calrun.folder.round_line import flatten
from calrun.folder.unsent import OPEN_FILE, id_file
from calrun.logger.base import Logger
from calrun.machine.files import replace_text
from calrun.part.figures import EpochFigures
from calrun.places import SHOWN_GROUPS
from calrun.text.say import warn

ID = re.compile(r"[\w-]{1,64}", re.ASCII)  # W&B: 64 characters at most, and none of :;,#?/'
PICKS = ("picks.csv", "metrics.csv", "rounds.jsonl", "config.yaml")


class Mirror(Logger, ABC):
    """Sends rounds against labels, the curve of each fit, and at the end the picks; never stops a run."""

    option = ""  # the name of the logger's option
    folder: Path
    id: str
    finished: Callable[[], list[dict[str, Any]]] = list

    def __init__(self) -> None:
        self.run: Any = None
        self.held: dict[str, Any] = {}  # the last value of each metric that the library holds from earlier attempts
        self.behind, self.broken = True, False
        self.sent = self.number = self.kept = 0  # the last round whose line, curve and kept curve were begun
        self.rows = 0  # sent by this attempt
        self.ends: dict[int, int] = {}  # epochs so far by phase, of that round

    @abstractmethod
    def begin(self, config: dict[str, Any], name: str, group: str, job_type: str) -> Any:
        """Returns the library's run of `self.id`, begun or resumed.

        Args:
            config: goes with it.
            name: as it is shown.
            group: of runs that differ in the seed alone.
            job_type: the method, or `report`.

        Raises:
            ValueError: if it cannot begin for a reason that is the user's to mend.
        """

    @abstractmethod
    def artifact(self, name: str, kind: str, files: list[Path]) -> Any:
        """Returns an artifact of the library's with these files."""

    @abstractmethod
    def end(self, exit_code: int) -> None:
        """Ends the library's run."""

    def curve(self, this_round: int, names: list[str]) -> None:
        """Takes the names of a curve's metrics, before its first point."""

    def caught_up(self) -> None:
        """Is called when every finished round has been sent."""

    def start(self, folder: Path, config: dict[str, Any], finished: Callable[[], list[dict[str, Any]]]) -> None:
        self.finished, choices = finished, config["choices"]
        replace_text(folder / OPEN_FILE, f"{config['logger']['_target_']}\n")
        group = "-".join(str(choices[name]) for name in SHOWN_GROUPS)
        self._open(folder, config, folder.name, group, str(choices["method"]))

    def epoch(self, number: int, phase: int, epoch: int, figures: EpochFigures) -> None:
        try:
            epochs = self._kept(number, Epoch(phase, epoch, figures))
        except OSError as error:
            self._give_up(error)
        else:
            self._send(self._points, number, epochs)

    def log(self, line: dict[str, Any]) -> None:
        self._send(self._line, line)

    def finish(self, exit_code: int) -> None:
        if self.run is None:
            return
        picks = [] if exit_code else [path for name in PICKS if (path := self.folder / name).exists()]
        self._send(self._files, "picks", picks)
        self._close(exit_code)
        if not exit_code and not self.broken:
            (self.folder / OPEN_FILE).unlink(missing_ok=True)

    def send_report(self, out: Path, files: list[Path], experiment: str) -> None:
        """Sends the files of a report as an artifact of a run of its own, whose id `out` keeps.

        Raises:
            ValueError: if the library does not take it.
        """
        self.folder, self.id = out, id_of(out, self.option, {"experiment": experiment, "run_id": "report"})
        try:
            self.run = self.begin({"experiment": experiment}, experiment, experiment, "report")
            self.caught_up()
            self._files("report", files)
        except Exception as error:
            raise ValueError(f"the report stands in {out}, but {self.option} does not take it: {error}") from error
        finally:
            self._close(0)

    def _open(self, folder: Path, config: dict[str, Any], *about: str) -> None:
        self.folder, self.id = folder, id_of(folder, self.option, config)
        try:
            self.run = self.begin(config, *about)
        except ValueError:
            raise
        except Exception as error:
            self._give_up(error)

    def _close(self, exit_code: int) -> None:
        if self.run is None:
            return
        try:
            self.end(exit_code)  # or the next run of this process would write into this one
        except Exception as error:
            self._give_up(error)
        self.run = None

    def _send(self, send: Callable[..., None], *what: Any) -> None:
        if self.run is None or self.broken:
            return
        try:
            if self.behind:
                self._catch_up()
            send(*what)
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        if self.broken:
            return
        self.broken, why = True, re.sub(r"\s+", " ", f"{type(error).__name__}: {error}")
        warn(f"logger={self.option} takes no more ({why}); the run goes on, and the same command sends the rest later")

    def _catch_up(self) -> None:
        """Sends the finished rounds, not before their lines have been amended, for what is sent stays."""
        self.behind = False
        for line in self.finished():
            self._points(line["round"], read_epochs(self.folder, line["round"]))
            self._line(line)
        self.caught_up()

    def _line(self, line: dict[str, Any]) -> None:
        if line["round"] <= self.sent:
            return
        self.sent = line["round"]
        if new := unsent(flatten(line), self.held):
            self._row(new)

    def _kept(self, number: int, epoch: Epoch) -> list[Epoch]:
        """Keeps an epoch in the folder; returns it, after those that a killed attempt has left it to begin from."""
        known: list[Epoch] = []
        if number != self.kept:  # what that attempt trained past its checkpoint is trained again
            place = epoch.phase, epoch.number
            known = [old for old in read_epochs(self.folder, number) if (old.phase, old.number) < place]
            write_epochs(self.folder, number, known)
        add_epoch(self.folder, number, epoch)
        self.kept = number
        return [*known, epoch]

    def _points(self, number: int, epochs: list[Epoch]) -> None:
        if number != self.number:
            self.number, self.ends = number, {}
        for epoch in epochs:
            values = {name: value for name, value in asdict(epoch.figures).items() if value is not None}
            if not self.ends:
                self.curve(number, [*values])
            self.ends[epoch.phase] = epoch.number
            place = sum(end for phase, end in self.ends.items() if phase <= epoch.phase)
            if place > self.held.get(f"round_{number}/epoch", 0):
                self._row({f"round_{number}/{name}": value for name, value in {"epoch": place, **values}.items()})

    def _row(self, values: dict[str, Any]) -> None:
        self.run.log(values)
        self.rows += 1

    def _files(self, kind: str, files: list[Path]) -> None:
        if files:
            self.run.log_artifact(self.artifact(f"{kind}-{self.id}", kind, files))


def unsent(values: Mapping[str, Any], held: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a library must still be sent of a round's line.

    Args:
        values: the numbers of the line, by name.
        held: the last value of each metric that the library holds; a row that it holds cannot be changed.

    Returns:
        All of a line that it lacks; of one that it holds, the metrics that it lacks, and of the newest, for it is the
        one that a run that goes on amends, those that differ too; each beside its round and number of labels.
    """
    newest = held.get("round", 0)
    if values["round"] > newest:
        return dict(values)
    is_newest = values["round"] == newest
    new = {name: value for name, value in values.items() if name not in held or (is_newest and held[name] != value)}
    return {**{name: values[name] for name in ("round", "labelled")}, **new} if new else {}


def id_of(folder: Path, option: str, config: Mapping[str, Any]) -> str:
    """Returns a library's id of a folder, which keeps it: another folder of the same configuration is another run."""
    path = id_file(folder, option)
    known = path.read_text().strip() if path.exists() else ""
    if ID.fullmatch(known):
        return known
    experiment = re.sub(r"[^\w-]+", "-", str(config["experiment"]), flags=re.ASCII)[:40]
    made = f"{experiment}-{config['run_id']}-{secrets.token_hex(3)}"
    replace_text(path, f"{made}\n")
    return made
