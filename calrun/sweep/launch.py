"""What every launcher does with a multirun's jobs: it answers for finished runs and gives orders for the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig

from calrun.check.early import refuse_early
from calrun.errors import MISTAKES, FailedRun, exit_code, sentence
from calrun.folder.deaths import Deaths
from calrun.folder.identity import identity
from calrun.folder.status import last_error
from calrun.folder.sweep_file import note_refusal, refusal
from calrun.run import answered, finished_accuracy, located
from calrun.sweep.order import Order, order_of, words_of
from calrun.sweep.supervisor import Ending, Supervisor
from calrun.sweep.sweep import job_config, launched


@dataclass
class Asked:
    """A job of a multirun as its launcher sees it.

    Args:
        overrides: the job's.
        cfg: its configuration.
        folder: its run's.
        order: how another process plays its run; `None` if nothing is to be played.
        ended: how it ended, once that is known.
    """

    overrides: Sequence[str]
    cfg: DictConfig
    folder: Path
    order: Order | None = None
    ended: JobReturn | None = None


def play_here(
    config: DictConfig, job_overrides: Sequence[Sequence[str]], first: int, at_once: int
) -> Sequence[JobReturn]:
    """Plays the jobs of a multirun in processes of this machine; returns how each ended.

    Args:
        config: the multirun's, as Hydra composed it.
        job_overrides: of each job.
        first: the number of the first job.
        at_once: how many runs are played side by side.
    """
    jobs = asked_for(config, job_overrides, first)
    orders = ordered(jobs)
    for order in orders:
        Deaths(order.folder).forget()
    endings = {ending.order.folder: ending for ending in Supervisor(at_once).play(orders)}
    return [job.ended or returned(job, endings[job.folder]) for job in jobs]


def asked_for(config: DictConfig, job_overrides: Sequence[Sequence[str]], first: int) -> list[Asked]:
    """Returns the jobs of a multirun: those that are finished or refused have ended, the others are orders."""
    return [asked(config, overrides, first + number) for number, overrides in enumerate(job_overrides)]


def ordered(jobs: Sequence[Asked]) -> list[Order]:
    """Returns each order once, even if two jobs ask for the same run."""
    return list({job.order.folder: job.order for job in jobs if job.order is not None}.values())


def asked(config: DictConfig, overrides: Sequence[str], number: int) -> Asked:
    """Returns one job."""
    sweep = launched[0] if launched else None
    known = sweep.composed.get(tuple(overrides)) if sweep else None
    cfg, choices = known or job_config(overrides)
    job = Asked(overrides, cfg, located(cfg, choices).absolute())
    is_fresh = bool(sweep and job.folder in sweep.replaced)
    try:
        refuse_early(cfg)
        now = identity(cfg)
        accuracy = None if is_fresh else answered(cfg, job.folder, now)
    except MISTAKES as error:
        note_refusal(job.folder, sentence(error), exit_code(error))
        job.ended = job_return(overrides, cfg, error)
        return job
    if accuracy is not None:
        job.ended = job_return(overrides, cfg, accuracy)
        return job
    words = words_of(config, overrides, number)
    job.order = order_of(words, job.folder, now, sweep.sweep if sweep else "", is_fresh, choices)
    return job


def returned(job: Asked, ending: Ending) -> JobReturn:
    """Returns how a job has ended, as Hydra's sweepers want to know it."""
    if ending.code == 0:
        return job_return(job.overrides, job.cfg, finished_accuracy(job.folder, job.cfg))
    return job_return(job.overrides, job.cfg, FailedRun(f"{job.folder.name}: {reason_of(ending)}", ending.code))


def reason_of(ending: Ending) -> str:
    """Returns why a run's process has ended without finishing the run."""
    folder = ending.order.folder
    said = (ending.why, last_error(folder), str(refusal(folder).get("error", "")))
    return next(filter(None, said), f"its process has ended with exit code {ending.code}")


class Returned(JobReturn):
    """A job's return whose error is raised without a line of Hydra's own."""

    @property
    def return_value(self) -> Any:
        """Returns the run's accuracy, or raises what the run failed with."""
        if isinstance(self._return_value, Exception):
            raise self._return_value
        return self._return_value

    @return_value.setter
    def return_value(self, value: Any) -> None:
        self._return_value = value


def job_return(overrides: Sequence[str], cfg: DictConfig, value: Any) -> JobReturn:
    """Returns a job's value or error in the form of Hydra."""
    status = JobStatus.FAILED if isinstance(value, Exception) else JobStatus.COMPLETED
    return Returned(list(overrides), cfg, status=status, _return_value=value)
