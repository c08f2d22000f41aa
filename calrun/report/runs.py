"""From run folders to one tidy table: the only reader of run folders. A row is one finished round of one run.

Unfinished and damaged folders are listed as problems with what could be read of them; a run met twice counts once.
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calrun.report.configuration import Configuration, read_configuration
from calrun.report.lines import SCALARS, SUMMED, check_line
from calrun.report.naming import add_names


@dataclass(frozen=True)
class Problem:
    """A folder that is not a whole, finished run, and why."""

    folder: Path
    reason: str


@dataclass(frozen=True)
class Runs:
    """Everything the reports know: the tidy table, and beside it what belongs to a run and not to a round."""

    table: pd.DataFrame
    problems: list[Problem] = field(default_factory=list)
    configurations: dict[str, Configuration] = field(default_factory=dict)
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)

    def export(self, out: Path) -> list[Path]:
        """Writes the table as runs.parquet and runs.csv into `out` and returns the two paths."""
        out.mkdir(parents=True, exist_ok=True)
        parquet, csv = out / "runs.parquet", out / "runs.csv"
        self.table.to_parquet(parquet, index=False)
        self.table.to_csv(csv, index=False)
        return [parquet, csv]

    def test_entropies(self) -> dict[tuple[str, int], np.ndarray]:
        """Returns the test rows' entropies by run and round, where `record.test_entropy` was on."""
        found: dict[tuple[str, int], np.ndarray] = {}
        for run_id, number in zip(self.table["run_id"], self.table["round"], strict=True):
            path = self.folders[run_id] / f"round-{number}" / "test_entropy.npy"
            if path.is_file():
                found[run_id, int(number)] = np.load(path)
        return found


@dataclass(frozen=True)
class Folder:
    """One run folder as read: its configuration, its rounds from 1 on without a gap, and what is wrong with it."""

    path: Path
    configuration: Configuration
    rounds: list[dict[str, Any]]
    environment: dict[str, Any]
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
        except ValueError as error:
            problems.append(Problem(path, str(error)))
            continue
        if folder.reasons:
            problems.append(Problem(path, "; ".join(folder.reasons)))
        found.append(folder)
    kept, repeated = without_repeats([folder for folder in found if folder.rounds])
    if not kept:
        reasons = "; ".join(f"{problem.folder.name}: {problem.reason}" for problem in problems[:5])
        raise ValueError(
            f"{', '.join(map(str, folders))}: wanted run folders with at least one finished round, found none"
            + (f" ({reasons})" if reasons else "; a run folder holds config.yaml and rounds.jsonl")
        )
    by_id = {folder.configuration.run_id: folder for folder in kept}
    configurations = {run_id: folder.configuration for run_id, folder in by_id.items()}
    return Runs(
        table=add_names(table_of(kept), configurations),
        problems=problems + repeated,
        configurations=configurations,
        environments={run_id: folder.environment for run_id, folder in by_id.items()},
        folders={run_id: folder.path for run_id, folder in by_id.items()},
    )


def find_run_folders(folders: Iterable[Path]) -> Iterator[Path]:
    """Yields every folder with a config.yaml or rounds.jsonl at or below `folders`, sorted, each once, none nested."""
    met: set[Path] = set()
    for top in folders:
        if not top.is_dir():
            raise ValueError(f"{top}: wanted a folder with runs in it, found {'a file' if top.exists() else 'nothing'}")
        for parent, children, files in os.walk(top):
            children[:] = sorted(child for child in children if not child.startswith("."))
            if not {"rounds.jsonl", "config.yaml"}.intersection(files):
                continue
            children.clear()
            path = Path(parent).resolve()
            if path not in met:
                met.add(path)
                yield path


def read_folder(path: Path) -> Folder:
    """Reads one run folder; what is damaged beyond use raises, what is only incomplete is a reason."""
    configuration = read_configuration(path / "config.yaml")
    rounds, reasons = read_rounds(path / "rounds.jsonl")
    environment = read_json(path / "environment.json", reasons)
    status = read_json(path / "status.json", reasons)
    state, wanted = status.get("state", "unknown"), status.get("rounds", "?")
    if state != "finished" or not rounds or not isinstance(wanted, int) or len(rounds) < wanted:
        reasons.append(f"{state}: {len(rounds)} of {wanted} rounds are there")
    return Folder(path, configuration, rounds, environment, reasons)


def read_json(path: Path, reasons: list[str]) -> dict[str, Any]:
    """Returns the object in `path`; a missing or broken file is a reason and gives {}."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        reasons.append(f"{path.name} is missing")
        return {}
    except ValueError:
        reasons.append(f"{path.name} is not JSON")
        return {}
    return found if isinstance(found, dict) else {}


def read_rounds(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Returns rounds 1, 2, ... up to the first line that is broken or out of order, and the reason for stopping."""
    rounds: list[dict[str, Any]] = []
    if not path.is_file():
        return rounds, ["rounds.jsonl is missing"]
    for number, text in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            line = json.loads(text)
            check_line(line)
        except ValueError as error:
            why = "not JSON" if isinstance(error, json.JSONDecodeError | UnicodeDecodeError) else str(error)
            return rounds, [f"rounds.jsonl line {number} is broken ({why}); later rounds are left out"]
        if line["round"] != number:
            return rounds, [f"rounds.jsonl line {number} holds round {line['round']}; later rounds are left out"]
        rounds.append(line)
    return rounds, []


def without_repeats(folders: list[Folder]) -> tuple[list[Folder], list[Problem]]:
    """Keeps of each setting and seed the folder with most rounds (the first of equals), so that no run counts twice."""
    best: dict[tuple[str, int], Folder] = {}
    problems = []
    for folder in folders:
        key = (folder.configuration.setting, folder.configuration.seed)
        other = best.setdefault(key, folder)
        if other is folder:
            continue
        kept, left = (other, folder) if len(other.rounds) >= len(folder.rounds) else (folder, other)
        best[key] = kept
        problems.append(Problem(left.path, f"the same run as {kept.path}, counted once"))
    return list(best.values()), problems


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
        row |= {name: line.get(name) for name in SCALARS}
        row |= metrics_of(line["test"])
        row |= {f"{name}_seconds": seconds for name, seconds in line.get("seconds", {}).items()}
        row |= {name: line[name] for name in SUMMED if line.get(name) is not None}
        for name in SUMMED:
            sums[name] += row.get(name, np.nan)  # one round without the number makes every later sum unknown
            row[f"cumulative_{name}"] = sums[name]
        yield row


def metrics_of(test: dict[str, dict[str, float]]) -> dict[str, float]:
    """Returns the first test set's metrics by their plain names, any other set's as metric@set."""
    headline, *others = test.items()
    flat = dict(headline[1])
    for name, metrics in others:
        flat |= {f"{metric}@{name}": value for metric, value in metrics.items()}
    return flat
