"""The run folder: what a run has done, in files that a kill leaves whole.

The line in rounds.jsonl commits a round; every other file is written before it, beside its place, and then renamed.
"""

import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from calrun.errors import is_mistake, sentence
from calrun.folder.begun import completed, recorded_in, refuse_foreign
from calrun.folder.claim import Claim, HeldError, LostError
from calrun.folder.picks import refuse_short, write_picks
from calrun.folder.round_line import accuracy, jsonl, metrics_csv, read_rounds, timed
from calrun.folder.sweep_file import forget_refusal, this_sweep
from calrun.machine.files import (
    load_tensors,
    make_folder,
    readable,
    remove_parts,
    replace_if_possible,
    replace_tensors,
    replace_text,
    whole,
)
from calrun.machine.job import this_log
from calrun.oracle.wanted import LabelsWanted
from calrun.text.say import warn

if TYPE_CHECKING:
    from calrun.experiment import Experiment
    from calrun.round import Round

BEGUN_ON = ("data_fingerprint", "data_files_are", "code", "results")
TWIN_SECONDS = 0.5  # time between looks at the same run in another job of the multirun


class Record:
    """One run's folder, held by one process at a time.

    Args:
        folder: where the run keeps everything; made if it is missing.
        config: the resolved configuration, with the name of each chosen option under `choices`.

    Raises:
        ValueError: if the folder belongs to another configuration or another process holds it.
    """

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.folder, self.config = folder, config
        self.seconds: dict[str, float] = {}
        self.last_status: dict[str, Any] = {}
        make_folder(folder)
        self.claim = _claim(folder)
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def rounds(self) -> list[dict[str, Any]]:
        """Returns the lines of the finished rounds."""
        return read_rounds(self.folder / "rounds.jsonl")

    def read_state(self, number: int) -> dict[str, Any]:
        """Returns what the method carried over from a round.

        Raises:
            ValueError: if the file is missing or damaged.
        """
        path = self.folder / f"state-{number}.pt"
        with whole(path):
            return load_tensors(path)

    @contextmanager
    def time(self, phase: str, this_round: "Round") -> Iterator[None]:
        """Counts the seconds of one phase of the round."""
        started = time.perf_counter()
        self.status("running", round=this_round.number, rounds=this_round.num_rounds, phase=phase)
        yield
        self.seconds[phase] = time.perf_counter() - started

    def save(self, line: dict[str, Any], exp: "Experiment") -> dict[str, Any]:
        """Commits a round and returns its line: the state and the rows bought so far are on disk before the line.

        Raises:
            ValueError: if another process has taken the folder over, or the round has not bought its budget.
        """
        started, number, lines = time.perf_counter(), line["round"], self.rounds()
        if number < line["rounds"]:
            refuse_short(exp, number)
        self.status(**self.last_status | {"phase": "commit", "rounds": line["rounds"]})
        replace_tensors(self.folder / f"state-{number}.pt", exp.method.carried())
        self.picks(exp)
        line = timed(line, {**self.seconds, "commit": time.perf_counter() - started}, lines)
        self.amend([*lines, line])
        self.tidy(number, exp.record.keep_states)
        return line

    def picks(self, exp: "Experiment") -> None:
        """Writes the rows bought so far.

        Raises:
            ValueError: if another process has taken the folder over.
        """
        self.claim.require()
        write_picks(self.folder / "picks.csv", exp)

    def amend(self, lines: list[dict[str, Any]]) -> None:
        """Writes the lines of all committed rounds.

        Raises:
            ValueError: if another process has taken the folder over.
        """
        self.claim.require()  # a process that was paused since it looked last must not commit
        replace_if_possible(self.folder / "metrics.csv", metrics_csv(lines))
        replace_text(self.folder / "rounds.jsonl", jsonl(lines))

    def status(self, state: str, **more: Any) -> None:
        """Says what the run is doing.

        Raises:
            ValueError: if another process has taken the folder over.
        """
        self.claim.require()
        self.last_status = {"state": state, **more}
        where = {"pid": os.getpid(), "host": socket.gethostname()}
        updated = datetime.now(UTC).isoformat(timespec="seconds")
        said = {**self.last_status, **where, "updated": updated, "logs": self.logs}
        replace_if_possible(self.folder / "status.json", json.dumps(said) + "\n")

    def finish(self, num_rounds: int) -> float:
        """Says that every round is committed; returns the last one's accuracy on the first test set."""
        final = accuracy(self.rounds()[num_rounds - 1])
        self.status("finished", round=num_rounds, rounds=num_rounds, accuracy=final)
        forget_refusal(self.folder)
        return final

    def fail(self, error: Exception) -> None:
        """Says that the run has stopped, if this process still holds the folder; committed rounds stay."""
        where = {key: value for key, value in self.last_status.items() if key != "state"}
        with suppress(OSError, LostError):
            code = 2 if is_mistake(error) else 1
            self.status("failed", **where, error=sentence(error), exit_code=code)

    def pause(self, wanted: LabelsWanted) -> None:
        """Says that the run waits for labels, if this process still holds the folder."""
        where = {key: value for key, value in self.last_status.items() if key in ("round", "rounds")}
        with suppress(OSError, LostError):
            self.status("labels wanted", **where, error=str(wanted))

    def close(self) -> None:
        """Lets other processes have the folder."""
        self.claim.release()

    def _begin(self) -> None:
        """Makes the folder this run's, unless it is another's, and tidies what a killed process has left there."""
        refuse_foreign(self.folder, self.config)
        remove_parts(self.folder)
        self._write_config()
        self.logs = _logs(self.folder / "status.json")
        forget_refusal(self.folder)

    def _write_config(self) -> None:
        """Writes into config.yaml what the coming rounds are played with."""
        found = recorded_in(self.folder)
        if found is not None and not self.rounds():
            # nothing was committed: what was begun no longer counts if it differs
            same = {key: found.get(key) for key in BEGUN_ON} == {key: self.config.get(key) for key in BEGUN_ON}
            found = found if same else None
            for leftover in [] if same else self.folder.glob("round-*"):
                shutil.rmtree(leftover)
        changes = {key: found[key] for key in ("run_id", "code_changes") if found and key in found}
        wanted = completed(self.config | changes)
        if found != wanted:
            replace_text(self.folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(wanted)))

    def tidy(self, number: int, keep_states: bool) -> None:
        """Removes what committed rounds no longer need."""
        self.seconds = {}
        done = [self.folder / f"round-{past}" for past in range(1, number + 1)]
        leftovers = [path for round_folder in done for path in round_folder.rglob("phase-*")]
        older = [path for past in range(1, number) if (path := self.folder / f"state-{past}.pt").exists()]
        if not keep_states and len(older) <= 1:  # more were kept on purpose, by an earlier command
            leftovers += older
        for path in leftovers:
            if path.is_file():
                path.unlink()


class Follower(Record):
    """The folder of a run that several processes play, as those that do not write see it."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.folder, self.config = folder, config
        self.seconds: dict[str, float] = {}
        self.last_status: dict[str, Any] = {}

    def save(self, line: dict[str, Any], exp: "Experiment") -> dict[str, Any]:
        if line["round"] < line["rounds"]:
            refuse_short(exp, line["round"])
        self.seconds = {}
        return line

    def status(self, state: str, **more: Any) -> None:
        self.last_status = {"state": state, **more}

    def finish(self, num_rounds: int) -> float:
        lines = self.rounds()
        return accuracy(lines[num_rounds - 1])

    def picks(self, exp: "Experiment") -> None: ...

    def amend(self, lines: list[dict[str, Any]]) -> None: ...

    def fail(self, error: Exception) -> None: ...

    def pause(self, wanted: LabelsWanted) -> None: ...

    def close(self) -> None: ...

    def tidy(self, number: int, keep_states: bool) -> None:
        self.seconds = {}


def _claim(folder: Path) -> Claim:
    """Holds the folder; if another job of this multirun is playing the same run, waits until it is done."""
    sweep, told = this_sweep(), False
    while True:
        try:
            return Claim(folder, sweep=sweep)
        except HeldError as held:
            twin = held.found.holder
            if not sweep or twin is None or twin.sweep != sweep:
                raise
        if not told:
            warn(f"{folder} is being played by another job of this multirun ({twin}); waiting for it")
        told = True
        time.sleep(TWIN_SECONDS)


def _logs(status_file: Path) -> list[dict[str, Any]]:
    """Returns where the output of the run's jobs has gone, once for each attempt, this one included."""
    past = readable(status_file, lambda path: json.loads(path.read_text(encoding="utf-8")).get("logs", []))
    logs = [log for log in past if isinstance(log, dict)] if isinstance(past, list) else []
    mine = this_log()
    return logs if mine is None or mine in logs else [*logs, mine]
