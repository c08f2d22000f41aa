"""The run folder: what a run has done, in files that a kill leaves whole.

The line in rounds.jsonl commits a round; every other file is written before it, beside its place, and renamed.
"""

import csv
import fcntl
import io
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
import pandas as pd
import torch
from omegaconf import OmegaConf

from calrun.children import keep_from_children
from calrun.files import replace_tensors, replace_text, whole
from calrun.identity import recorded_in, refuse_foreign
from calrun.later import make_records
from calrun.round import Round

if TYPE_CHECKING:
    from calrun.experiment import Experiment

LOCK_ATTEMPTS, LOCK_WAIT_SECONDS = 5, 0.05
BEGUN_ON = ("data_fingerprint", "data_files_are", "code", "results")
PICKS_HEADER = ("round", "order", "row", "item_id", "class")


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
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = self._hold()
        self._claim_folder()

    # --- what is there ---

    def rounds(self) -> list[dict[str, Any]]:
        """Returns the lines of the finished rounds."""
        return read_rounds(self.folder / "rounds.jsonl")

    def restore(self, exp: "Experiment") -> int:
        """Puts pool and method where the last committed round left them; returns its number, 0 for a new run."""
        lines = self.rounds()
        number: int = lines[-1]["round"] if lines else 0
        if number:
            for bought_for, rows in self._read_picks():
                if bought_for <= number + 1:  # later ones were not committed
                    exp.pool.label(rows, bought_for)
            exp.method.restore(self.read_state(number))
            make_records(exp, self)
        self._tidy(number, exp.record.keep_states)
        return number

    def _read_picks(self) -> Iterator[tuple[int, np.ndarray]]:
        path = self.folder / "picks.csv"
        with whole(path):
            picks = pd.read_csv(path, usecols=["round", "row"], dtype=np.int64)
        for number, group in picks.groupby("round"):
            yield int(str(number)), group["row"].to_numpy()

    def read_state(self, number: int) -> dict[str, Any]:
        """Returns what the method carried out of a round."""
        path = self.folder / f"state-{number}.pt"
        with whole(path):
            state: dict[str, Any] = torch.load(path, weights_only=True)
        return state

    # --- what is written ---

    @contextmanager
    def time(self, phase: str, this_round: Round) -> Iterator[None]:
        """Counts the seconds of one phase of the round."""
        started = time.perf_counter()
        self.status("running", round=this_round.number, rounds=this_round.num_rounds, phase=phase)
        yield
        self.seconds[phase] = time.perf_counter() - started

    def save(self, line: dict[str, Any], exp: "Experiment") -> dict[str, Any]:
        """Commits a round and returns its line: the state and the rows bought so far are on disk before the line."""
        started, number, lines = time.perf_counter(), line["round"], self.rounds()
        self.status(**self.last_status | {"phase": "commit"})
        replace_tensors(self.folder / f"state-{number}.pt", exp.method.carried())
        replace_text(self.folder / "picks.csv", _csv(PICKS_HEADER, list(_picks(exp))))
        line["seconds"] = {**self.seconds, "fit": line.pop("fit_seconds"), "commit": time.perf_counter() - started}
        line["cumulative_fit_seconds"] = line["seconds"]["fit"] + sum(past["seconds"]["fit"] for past in lines)
        self.amend([*lines, line])
        self._tidy(number, exp.record.keep_states)
        return line

    def amend(self, lines: list[dict[str, Any]]) -> None:
        """Writes the lines of all committed rounds."""
        replace_text(self.folder / "metrics.csv", _metrics_csv(lines), durable=False)
        replace_text(self.folder / "rounds.jsonl", "".join(json.dumps(entry) + "\n" for entry in lines))

    def _tidy(self, number: int, keep_states: bool) -> None:
        """Removes what committed rounds no longer need and what a killed process has left half-written."""
        self.seconds = {}
        done = [self.folder / f"round-{past}" for past in range(1, number + 1)]
        leftovers = [path for round_folder in done for path in round_folder.glob("phase-*")]
        leftovers += [*self.folder.glob(".*.part"), *self.folder.glob("round-*/.*.part")]
        if not keep_states:
            leftovers += [self.folder / f"state-{past}.pt" for past in range(1, number)]
        for path in leftovers:
            if path.is_file():
                path.unlink()

    def status(self, state: str, **more: Any) -> None:
        """Says what the run is doing."""
        self.last_status = {"state": state, **more}
        where = {"pid": os.getpid(), "host": socket.gethostname()}
        updated = datetime.now(UTC).isoformat(timespec="seconds")
        text = json.dumps({**self.last_status, **where, "updated": updated}) + "\n"
        replace_text(self.folder / "status.json", text, durable=False)

    def finish(self, num_rounds: int) -> float:
        """Says that every planned round is committed; returns the last one's accuracy on the first test set."""
        tests: dict[str, dict[str, float]] = self.rounds()[num_rounds - 1]["test"]
        accuracy = next(iter(tests.values()))["accuracy"]
        self.status("finished", round=num_rounds, rounds=num_rounds, accuracy=accuracy)
        return accuracy

    def fail(self, error: Exception) -> None:
        """Says that the run has stopped, if the disk still lets it; the rounds that are committed stay."""
        with suppress(OSError):
            self.status(
                "failed", **{k: v for k, v in self.last_status.items() if k != "state"}, error=str(error)[:2000]
            )

    def close(self) -> None:
        """Lets other processes have the folder."""
        self._lock.close()

    def _hold(self) -> TextIO:
        lock = (self.folder / "lock").open("a")
        keep_from_children(lock)
        for _ in range(LOCK_ATTEMPTS):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except BlockingIOError:
                time.sleep(LOCK_WAIT_SECONDS)  # `calrun status` holds the lock for a moment when it looks
        lock.close()
        raise ValueError(
            f"another process is running in {self.folder}; wait for it, stop it, or change the configuration"
        )

    def _claim_folder(self) -> None:
        """Makes the folder this run's, unless it is another's; config.yaml says what rounds to come are played with."""
        refuse_foreign(self.folder, self.config)
        found = recorded_in(self.folder)
        if (
            found is not None and not self.rounds()
        ):  # nothing was committed: what was begun counts no more if it differs
            same = {key: found.get(key) for key in BEGUN_ON} == {key: self.config.get(key) for key in BEGUN_ON}
            found = found if same else None
            for leftover in [] if same else self.folder.glob("round-*"):
                shutil.rmtree(leftover)
        changes = {key: found[key] for key in ("run_id", "code_changes") if found and key in found}
        if found != self.config | changes:
            replace_text(self.folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(self.config | changes)))


def _picks(exp: "Experiment") -> Iterator[tuple[Any, ...]]:
    names, item_id = exp.data.class_names, exp.data.train.item_id
    for number, rows in exp.pool.bought.items():
        for order, (row, c) in enumerate(zip(rows.tolist(), exp.pool.targets_of(rows).tolist(), strict=True)):
            yield number, order, row, item_id(row), names[c]


def read_rounds(path: Path) -> list[dict[str, Any]]:
    """Returns the lines of a rounds.jsonl; none if the file is missing.

    Raises:
        ValueError: if the file is damaged.
    """
    if not path.exists():
        return []
    with whole(path):
        return [json.loads(line) for line in path.read_text().splitlines()]


def _csv(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _metrics_csv(lines: list[dict[str, Any]]) -> str:
    flat = [flatten(line) for line in lines]
    header = tuple(dict.fromkeys(key for line in flat for key in line))
    return _csv(header, [tuple(line.get(key, "") for key in header) for line in flat])


def flatten(line: dict[str, Any], prefix: str = "") -> dict[str, float | int | str]:
    """Returns a round's numbers under names such as test/accuracy; lists are left out."""
    flat: dict[str, float | int | str] = {}
    for key, value in line.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}/")
        elif not isinstance(value, list):
            flat[prefix + key] = value
    return flat
