"""What a multirun does besides its jobs: it notes which runs it will play, shows them, and notes why jobs were refused.

It is a Hydra callback in the launching process.
"""

import itertools
import os
import secrets
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from calrun.check.keys import refuse_unknown_hparams
from calrun.errors import exit_code, report, sentence
from calrun.folder.anew import accept_code, number_of, refuse_held, wanted
from calrun.folder.identity import identity
from calrun.folder.status import counts, last_error, shown
from calrun.folder.sweep_file import SWEEP_VARIABLE, add_runs, note_refusal
from calrun.run import located
from calrun.slurm.state import QUEUED
from calrun.sweep.overview import standing
from calrun.sweep.watcher import Watcher
from calrun.text.say import say

PLANNED = "hydra_plugins.calrun.PlannedSweeper"
UNNAMED = (HydraException, OmegaConfBaseException, ValueError, OSError)  # errors of a job that cannot have a folder
launched: list["Sweep"] = []  # the multirun of this process, until its summary is printed


class Sweep(Callback):
    """Notes the runs of a multirun, follows their folders, and says at the end how they stand."""

    def __init__(self) -> None:
        self.sweep = ""
        self.composed: dict[tuple[str, ...], tuple[DictConfig, dict[str, Any]]] = {}  # by a job's overrides
        self.folders: list[Path] = []
        self.replaced: dict[Path, int] = {}  # the folders that --fresh moves aside, with their numbers
        self.watcher: Watcher | None = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Notes the folder of every job; Hydra refuses one that cannot be composed, before the first job runs."""
        try:
            self.composed = planned_jobs(config)
            self.folders = [located(cfg, choices) for cfg, choices in self.composed.values()]
        except UNNAMED:
            return
        self.refuse_hparams()
        if self.composed:
            with read_write(config), open_dict(config):
                config.hydra.sweeper._target_ = PLANNED  # all jobs have just been composed
        if wanted.fresh or wanted.accept_code:
            self.begin_anew([cfg for cfg, _ in self.composed.values()])
        self.sweep = secrets.token_hex(8)
        for experiment in {folder.parent for folder in self.folders}:
            add_runs(experiment, [folder.name for folder in self.folders if folder.parent == experiment])
        launched[:] = [self]
        if sys.stdout.isatty():
            os.environ["CALRUN_QUIET"] = "1"  # the jobs print nothing: the watcher shows their folders
            self.watcher = Watcher(self.folders)
            self.watcher.start()

    def refuse_hparams(self) -> None:
        """Ends the command if a job names values that there are not, before any is launched.

        Raises:
            SystemExit: then.
        """
        try:
            for overrides, (_, choices) in self.composed.items():
                refuse_unknown_hparams(choices, overrides)
        except ValueError as error:  # which Hydra would turn into a warning, and play on
            raise SystemExit(report(error)) from None

    def begin_anew(self, configurations: Sequence[DictConfig]) -> None:
        """Does to every run what --accept-code asks for, and notes the folders for --fresh, which each job moves aside.

        Raises:
            SystemExit: if it cannot be done to all of them.
        """
        try:
            if not self.folders:
                raise ValueError("--fresh and --accept-code want to know all jobs beforehand; leave out hydra/sweeper")
            refuse_held(self.folders)  # all or none
            for folder, cfg in zip(self.folders, configurations, strict=True) if wanted.accept_code else ():
                accept_code(folder.absolute(), identity(cfg))
        except (ValueError, OSError) as error:  # which Hydra would turn into a warning, and play on
            raise SystemExit(report(error)) from None
        if wanted.fresh:
            self.replaced = {folder.absolute(): number_of(folder) for folder in self.folders}
        wanted.fresh = wanted.accept_code = False

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Tells the run which multirun it is part of, and whether it starts from nothing.

        If two jobs ask for the same run, one waits for the other.
        """
        if self.sweep:  # a run that another process has ordered knows it already
            os.environ[SWEEP_VARIABLE] = self.sweep
        if not self.replaced:
            return
        wanted.seen = None
        with suppress(*UNNAMED):  # the job says why
            wanted.seen = self.replaced.get(located(*_split(config.copy())).absolute())
        wanted.fresh = wanted.seen is not None

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Says why a job failed beside its run's folder, if that does not say so."""
        error = job_return._return_value
        if not self.sweep:
            return
        os.environ.pop(SWEEP_VARIABLE, None)
        if job_return.status != JobStatus.FAILED or not isinstance(error, Exception):
            return
        try:
            folder = located(*_split(config.copy()))
        except UNNAMED:
            return
        if last_error(folder) != sentence(error):  # it was refused before it could say so itself
            note_refusal(folder, sentence(error), exit_code(error))

    def end(self) -> None:
        """Says how the runs stand, and what became of those that are not finished."""
        if self.watcher is not None:
            self.watcher.stop()
        runs = standing(dict.fromkeys(self.folders))
        for run in runs:
            if run.state not in ("finished", *QUEUED):
                say(shown(f"{run.name}  {run.state}  {run.note}"))
        if runs:
            say(f"{len(runs)} run{'s' if len(runs) > 1 else ''}: {counts(runs)}")


def end_sweep() -> None:
    """Prints the summary of the multirun that this process has launched, if there was one, however it ended."""
    while launched:
        launched.pop().end()


def planned_jobs(config: DictConfig) -> dict[tuple[str, ...], tuple[DictConfig, dict[str, Any]]]:
    """Returns the configuration and the chosen options of each job of a multirun, by its overrides."""
    if not config.hydra.sweeper._target_.endswith(".BasicSweeper"):
        return {}  # a sweeper that chooses its jobs as it goes
    jobs = split_sweep(config.hydra.sweeper, config.hydra.overrides.task)
    return {overrides: job_config(overrides) for overrides in jobs}


def split_sweep(sweeper: DictConfig, arguments: Sequence[str]) -> list[tuple[str, ...]]:
    """Returns the overrides of each job that Hydra's basic sweeper makes from the command's arguments.

    Args:
        sweeper: the node hydra.sweeper; an experiment may name values to sweep in its `params`.
        arguments: overrides as typed; they win over `params`.
    """
    params = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
    values: dict[str, list[str]] = {}  # of each key; what comes later wins
    for one in OverridesParser.create().parse_overrides([*params, *arguments]):
        key = one.get_key_element()
        if one.is_sweep_override() and not one.is_discrete_sweep():
            raise ValueError(f"{one.input_line} is no list of values; write them out: {key}=1,2")
        texts = one.sweep_string_iterator() if one.is_sweep_override() else [one.get_value_element_as_str()]
        values[key] = [f"{key}={text}" for text in texts]
    return list(itertools.product(*values.values()))


def without_sweeps(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments that every job shares, from which Hydra composes a multirun's own configuration."""
    parsed = OverridesParser.create().parse_overrides(list(arguments))
    return [text for text, one in zip(arguments, parsed, strict=True) if not one.is_sweep_override()]


def job_config(overrides: Sequence[str]) -> tuple[DictConfig, dict[str, Any]]:
    """Returns a job's configuration and the names of its chosen options; Hydra must have been initialized."""
    cfg = compose("config", overrides=list(overrides), return_hydra_config=True)
    return _split(cfg)


def _split(cfg: DictConfig) -> tuple[DictConfig, dict[str, Any]]:
    """Returns a job's whole configuration without Hydra's part, and the names of its chosen options."""
    choices: dict[str, Any] = dict(cfg.hydra.runtime.choices)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg, choices
