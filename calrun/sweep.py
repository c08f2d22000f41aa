"""What a multirun does besides its jobs: it says which runs it will play, and shows them live on a terminal.

A Hydra callback in the process that launches; the jobs themselves may run anywhere.
"""

import json
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from calrun.anew import wanted
from calrun.files import replace_text
from calrun.identity import identity
from calrun.record import read_rounds
from calrun.run import run_folder
from calrun.say import round_text
from calrun.status import SWEEP_FILE

REFRESH_SECONDS = 0.5


class Sweep(Callback):
    """Writes the plan of a multirun and follows its run folders."""

    def __init__(self) -> None:
        self.watcher: Watcher | None = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Notes the folder of every job; one that cannot be composed is Hydra's to refuse, before the first runs."""
        try:
            jobs = planned_jobs(config)
        except (HydraException, OmegaConfBaseException):
            return
        folders = [run_folder(cfg, choices) for cfg, choices in jobs]
        if wanted.fresh or wanted.accept_code:
            for folder, (cfg, _) in zip(folders, jobs, strict=True):
                wanted.apply(folder.absolute(), identity(cfg))
            wanted.fresh = wanted.accept_code = False  # taken once: a job that is requeued goes on
        for experiment in {folder.parent for folder in folders}:
            names = [folder.name for folder in folders if folder.parent == experiment]
            replace_text(experiment / SWEEP_FILE, json.dumps({"runs": names}, indent=1) + "\n")
        if sys.stdout.isatty():
            os.environ["CALRUN_QUIET"] = "1"  # the jobs print nothing: the watcher shows their folders
            self.watcher = Watcher(folders)
            self.watcher.start()

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        if self.watcher is not None:
            self.watcher.stop()


def planned_jobs(config: DictConfig) -> list[tuple[DictConfig, dict[str, Any]]]:
    """Returns the configuration and the chosen options of each job of a multirun."""
    if not config.hydra.sweeper._target_.endswith(".BasicSweeper"):
        return []  # a sweeper that chooses its jobs as it goes
    jobs = split_sweep(config.hydra.sweeper, config.hydra.overrides.task)
    return [job_config(overrides) for overrides in jobs]


def split_sweep(sweeper: DictConfig, arguments: Sequence[str]) -> list[tuple[str, ...]]:
    """Returns the overrides of each job that Hydra's basic sweeper makes of the command's arguments.

    Args:
        sweeper: the node hydra.sweeper; an experiment may name values to sweep in its `params`.
        arguments: overrides as typed; they win over `params`.
    """
    params = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
    parsed = OverridesParser.create().parse_overrides([*params, *arguments])
    return [tuple(overrides) for batch in BasicSweeper.split_arguments(parsed, None) for overrides in batch]


def without_sweeps(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments that every job shares, of which Hydra composes a multirun's own configuration."""
    parsed = OverridesParser.create().parse_overrides(list(arguments))
    return [text for text, one in zip(arguments, parsed, strict=True) if not one.is_sweep_override()]


def job_config(overrides: Sequence[str]) -> tuple[DictConfig, dict[str, Any]]:
    """Returns a job's configuration and the names of its chosen options; Hydra must have been initialized."""
    cfg = compose("config", overrides=list(overrides), return_hydra_config=True)
    choices: dict[str, Any] = dict(cfg.hydra.runtime.choices)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg, choices


class Watcher:
    """A live bar of a multirun, and a line for every round that any of its runs commits."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = list(dict.fromkeys(folders))
        self.seen = {folder: len(read_rounds(folder / "rounds.jsonl")) for folder in self.folders}
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("rounds"))
        self.progress = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(highlight=False))
        self.task = self.progress.add_task("runs", total=None)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        """Begins to watch."""
        self.progress.start()
        self.thread.start()

    def stop(self) -> None:
        """Shows what has come since the last look and clears the bar."""
        self.stopping.set()
        self.thread.join()
        self.look()
        self.progress.stop()

    def look(self) -> None:
        """Prints the rounds committed since the last look."""
        done, total = 0, 0
        finished = 0
        for folder in self.folders:
            lines = read_rounds(folder / "rounds.jsonl")
            for line in lines[self.seen[folder] :]:
                self.progress.console.print(round_text(folder.name, line), soft_wrap=True)
            self.seen[folder] = len(lines)
            done += len(lines)
            total = max(total, lines[-1]["rounds"] if lines else 0)
            finished += bool(lines) and lines[-1]["round"] == lines[-1]["rounds"]
        text = f"{finished} of {len(self.folders)} runs finished"
        self.progress.update(self.task, description=text, completed=done, total=total * len(self.folders) or None)

    def _follow(self) -> None:
        while not self.stopping.wait(REFRESH_SECONDS):
            self.look()
