"""From run folders to one tidy table: the only reader of run folders. A row is one finished round of one run.

Unfinished and damaged folders are listed as problems with what could be read of them; a run met twice counts once.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calrun.folder.round_line import PLAIN, check_line, headline, whole_lines
from calrun.report.page.naming import add_names
from calrun.report.read.attempts import read_attempts
from calrun.report.read.configuration import Configuration, read_configuration
from calrun.report.read.full_training import beside, with_panels
from calrun.report.table.plain import printable

RUN_FILES = frozenset({"config.yaml", "rounds.jsonl", "status.json"})  # any one makes a folder a run's
SUMMED = ("fit_seconds", "steps", "epochs", "samples_forward", "samples_backward", "energy_kwh")  # summed per run
SEEN = ("stop_set", "validation")  # fields that stopping rules look at; columns begin with their names
NOTE = "note_"  # begins the columns of what a round's method and acquisition say about themselves
DAMAGE = (ValueError, OSError, ArithmeticError, RecursionError)  # errors that reading a file of any content can raise


@dataclass(frozen=True)
class Problem:
    """What a reader must know about a folder: why it is left out, or what in it is unfinished, damaged or mixed."""

    folder: Path
    reason: str

    @property
    def name(self) -> str:
        """The folder's own name, as it is shown."""
        return printable(self.folder.name)


@dataclass(frozen=True)
class Runs:
    """Everything the reports know: the tidy table, and beside it what belongs to a run rather than to a round.

    `full` holds the runs of full training, which are no lines of their own, see calrun/report/read/full_training.py.
    """

    table: pd.DataFrame
    problems: list[Problem] = field(default_factory=list)
    configurations: dict[str, Configuration] = field(default_factory=dict)
    attempts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)
    full: pd.DataFrame = field(default_factory=pd.DataFrame)

    def test_entropies(self) -> tuple[dict[tuple[str, int], np.ndarray], list[Problem]]:
        """Returns the test rows' entropies by run and round, if recorded, and which of them are damaged."""
        found: dict[tuple[str, int], np.ndarray] = {}
        problems, lengths = [], dict[str, int]()
        for run_id, number, context in self.table[["run_id", "round", "context"]].itertuples(index=False, name=None):
            path = self.folders[run_id] / f"round-{number}" / "test_entropy.npy"
            if not path.exists():
                continue
            try:
                entropy_N = entropies_in(path)
                if len(entropy_N) != lengths.setdefault(context, len(entropy_N)):
                    raise ValueError(f"it holds {len(entropy_N)} rows where others hold {lengths[context]}")
                found[run_id, int(number)] = entropy_N
            except (*DAMAGE, EOFError) as error:
                problems.append(Problem(self.folders[run_id], f"round-{number}/{path.name} is left out: {said(error)}"))
        return found, problems


@dataclass(frozen=True)
class Folder:
    """One run folder as read: its configuration, its rounds from 1 on without a gap, and what is wrong with it."""

    path: Path
    configuration: Configuration
    rounds: list[dict[str, Any]]
    attempts: list[dict[str, Any]]
    reasons: list[str]


def read(folders: Iterable[Path]) -> Runs:
    """Reads every run folder at or below `folders`.

    Raises:
        ValueError: no run folder is there, or none has a finished round.
    """
    folders = [Path(folder) for folder in folders]
    found, problems = [], []
    for path in find_run_folders(folders):
        try:
            folder = read_folder(path)
        except DAMAGE as error:
            problems.append(Problem(path, said(error)))
            continue
        if folder.reasons:
            problems.append(Problem(path, "; ".join(folder.reasons)))
        found.append(folder)
    kept, repeated = without_repeats([folder for folder in found if folder.rounds])
    if not kept:
        reasons = "; ".join(f"{printable(problem.folder.name)}: {problem.reason}" for problem in problems[:5])
        raise ValueError(
            f"{', '.join(map(str, folders))}: wanted run folders with at least one finished round, found none"
            + (f" ({reasons})" if reasons else "; a run folder holds config.yaml and rounds.jsonl")
        )
    kept = with_own_ids(kept)
    by_id = {folder.configuration.run_id: folder for folder in kept}
    configurations = {run_id: folder.configuration for run_id, folder in by_id.items()}
    full = beside({run_id: folder.rounds for run_id, folder in by_id.items()}, configurations)
    lines = {run_id: own for run_id, own in configurations.items() if run_id not in full}
    table = add_names(table_of([by_id[run_id] for run_id in lines]), lines)
    return Runs(
        table=table,
        problems=problems + repeated,
        configurations=configurations,
        attempts={run_id: folder.attempts for run_id, folder in by_id.items()},
        folders={run_id: folder.path for run_id, folder in by_id.items()},
        full=with_panels(table_of([by_id[run_id] for run_id in by_id if run_id in full]), table, configurations),
    )


def find_run_folders(folders: Iterable[Path]) -> Iterator[Path]:
    """Yields every folder with a file of RUN_FILES at or below `folders`, in order, each once, none nested.

    Raises:
        ValueError: one of `folders` is not a folder.
    """
    met: set[Path] = set()
    for top in folders:
        if not top.is_dir():
            raise ValueError(f"{top}: wanted a folder with runs in it, found {'a file' if top.exists() else 'nothing'}")
        entered: set[Path] = set()  # a link may lead back above itself
        for parent, children, files in os.walk(top, followlinks=True):
            children[:] = sorted(child for child in children if not child.startswith("."))
            if Path(parent).resolve() in entered:
                children.clear()
                continue
            entered.add(Path(parent).resolve())
            if not RUN_FILES.intersection(files):
                continue
            children.clear()
            path = Path(parent).resolve()
            if path not in met:
                met.add(path)
                yield path


def read_folder(path: Path) -> Folder:
    """Reads one run folder; raises an error of DAMAGE if it cannot be used, and gives a reason if it is incomplete."""
    configuration = read_configuration(path / "config.yaml")
    rounds, reasons = read_rounds(path / "rounds.jsonl")
    reasons += [f"after round {number} {what}" for number, what in configuration.code_changes]
    attempts = read_attempts(read_json(path / "environment.json", reasons), reasons)
    status = read_json(path / "status.json", reasons)
    state, wanted = printable(str(status.get("state", "unknown")))[:40], status.get("rounds", "?")
    if state != "finished" or not rounds or not isinstance(wanted, int) or len(rounds) < wanted:
        reasons.append(f"{state}: {len(rounds)} of {wanted} rounds are there")
    return Folder(path, configuration, rounds, attempts, reasons)


def read_json(path: Path, reasons: list[str]) -> dict[str, Any]:
    """Returns the object in `path`; a missing or broken file gives {} and adds a reason."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        reasons.append(f"{path.name} is missing")
    except OSError as error:
        reasons.append(f"{path.name} cannot be read ({said(error)})")
    except (ValueError, RecursionError):
        reasons.append(f"{path.name} is not JSON")
    else:
        if isinstance(found, dict):
            return found
        reasons.append(f"{path.name} holds no object")
    return {}


def read_rounds(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Returns rounds 1, 2, ... up to the first line that is broken or out of order, and the reason for stopping."""
    if not path.is_file():
        return [], ["rounds.jsonl is missing"]
    rounds, fault = whole_lines(path, check_line)
    return rounds, [f"rounds.jsonl {printable(fault)}; later rounds are left out"] if fault else []


def entropies_in(path: Path) -> np.ndarray:
    """Returns the one number of each test row in `path`.

    Raises:
        ValueError: the file holds something else.
    """
    entropy_N: np.ndarray = np.load(path)
    if (
        not isinstance(entropy_N, np.ndarray)
        or entropy_N.ndim != 1
        or entropy_N.dtype.kind not in "fiu"
        or not len(entropy_N)
    ):
        raise ValueError("it holds no list of numbers")
    if not np.isfinite(entropy_N).all():
        raise ValueError("some of its numbers are not finite")
    return entropy_N


def said(error: BaseException) -> str:
    """Returns what an error says, on one short line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(text.split("\n")[0])[:200] or type(error).__name__


def without_repeats(folders: list[Folder]) -> tuple[list[Folder], list[Problem]]:
    """Keeps, for each setting and seed, the folder with most rounds (the first of equals): no run counts twice."""
    best: dict[tuple[str, int], Folder] = {}
    problems = []
    for folder in folders:
        key = (folder.configuration.setting, folder.configuration.seed)
        other = best.setdefault(key, folder)
        if other is folder:
            continue
        kept, left = (other, folder) if len(other.rounds) >= len(folder.rounds) else (folder, other)
        best[key] = kept
        problems.append(Problem(left.path, repeated(left, kept)))
    return list(best.values()), problems


def repeated(left: Folder, kept: Folder) -> str:
    """Returns why a folder is left out; what made its id another, such as a checkpoint's bytes, is not known here."""
    place = printable(str(kept.path))
    if left.configuration.run_id == kept.configuration.run_id:
        return f"the same run as {place}, counted once"
    return f"of the same settings and seed as {place}, but another run (a file that it names was another); left out"


def with_own_ids(folders: list[Folder]) -> list[Folder]:
    """Returns the folders, with longer run ids for those that share one: the same names with other data or code."""
    counts = Counter(folder.configuration.run_id for folder in folders)

    def own(one: Configuration) -> Configuration:
        return one if counts[one.run_id] == 1 else replace(one, run_id=f"{one.run_id}-{one.setting}")

    return [replace(folder, configuration=own(folder.configuration)) for folder in folders]


def table_of(folders: list[Folder]) -> pd.DataFrame:
    """Returns a row per run and round; built as one list of records, since a frame per run would cost milliseconds."""
    return pd.DataFrame.from_records([row for folder in folders for row in rows_of(folder)])


def rows_of(folder: Folder) -> Iterator[dict[str, Any]]:
    configuration = folder.configuration
    sums = dict.fromkeys(SUMMED, 0.0)
    for line in folder.rounds:
        row: dict[str, Any] = {
            "run_id": configuration.run_id,
            "experiment": configuration.experiment,
            **configuration.choices,
            "setting": configuration.setting,
            "seed": configuration.seed,
            "round": line["round"],
            "labelled": line["labelled"],
        }
        row |= {name: line.get(name) for name in PLAIN if name not in SUMMED}
        row |= metrics_of(line)
        row |= {f"{name}_{key}": value for name in SEEN for key, value in (line.get(name) or {}).items()}
        row |= {f"{name}_seconds": seconds for name, seconds in line.get("seconds", {}).items()}
        row |= {f"{NOTE}{name}": value for name, value in (line.get("notes") or {}).items()}
        row |= {name: line[name] for name in SUMMED if line.get(name) is not None}
        for name in SUMMED:
            sums[name] += row.get(name, np.nan)  # one round without the number makes every later sum unknown
            row[f"cumulative_{name}"] = sums[name]
        yield row


def metrics_of(line: dict[str, Any]) -> dict[str, float]:
    """Returns the first test set's metrics by their plain names, any other set's as metric@set."""
    others = list(line["test"].items())[1:]
    return headline(line) | {f"{metric}@{name}": value for name, own in others for metric, value in own.items()}
