"""Hydra's launchers of calrun, processes on this machine and jobs of SLURM, and the sweeper of jobs that are composed.

Hydra wants plugins in this namespace.
"""

from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class Ordering(Launcher):
    """What both launchers have in common; Hydra takes it for no launcher, because it cannot launch."""

    config: DictConfig

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Takes the multirun's configuration."""
        self.config = config


class Processes(Ordering):
    """Plays runs side by side on this machine, each in a process of its own.

    Args:
        n_jobs: how many at once.
    """

    def __init__(self, n_jobs: int) -> None:
        self.n_jobs = n_jobs

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Plays the jobs and returns how each ended."""
        from calrun.sweep.launch import play_here  # here, because Hydra imports this module for every command

        return play_here(self.config, job_overrides, initial_job_idx, self.n_jobs)


class Slurm(Ordering):
    """Sends runs to SLURM, several to a job if wanted, and waits until they have ended.

    Args:
        options: of the group hydra/launcher; conf/hydra/launcher/slurm.yaml says what each does.
    """

    def __init__(self, **options: Any) -> None:
        self.options = {
            key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for key, value in options.items()
        }

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Submits the jobs and returns how each run stands."""
        from calrun.slurm.launch import play_there

        return play_there(self.config, job_overrides, initial_job_idx, self.options)


class PlannedSweeper(BasicSweeper):
    """Hydra's own sweeper, for jobs that calrun has composed already: it does not compose them again to check them."""

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Checks nothing."""
