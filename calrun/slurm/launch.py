"""Sends a multirun's runs to SLURM: only those that are neither finished, nor running, nor in the queue already."""

import io
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from omegaconf import DictConfig

from calrun.errors import FailedRun
from calrun.folder.claim import is_held
from calrun.folder.deaths import Deaths
from calrun.folder.status import last_exit_code
from calrun.folder.sweep_file import forget_refusal
from calrun.run import finished_accuracy
from calrun.slurm.job import AFTERWARDS, Pack
from calrun.slurm.jobs_file import SentJob, add_jobs, forget_cancelled, jobs_folder, submitting
from calrun.slurm.memory import BY_PLAN, memory_gb
from calrun.slurm.options import Wanted
from calrun.slurm.state import QUEUED, JobState, job_states, state_of
from calrun.sweep.launch import Asked, asked_for, job_return, ordered
from calrun.sweep.order import Order
from calrun.text.say import say

LOOK_SECONDS = 2.0
OF_MEMORY = ("memory", "node configuration is not available")  # what SLURM says of too much memory


def play_there(
    config: DictConfig, job_overrides: Sequence[Sequence[str]], first: int, options: Mapping[str, Any]
) -> Sequence[JobReturn]:
    """Sends the runs of a multirun's jobs to SLURM and returns how each stands, at once or when all have ended.

    Args:
        config: the multirun's, as Hydra composed it.
        job_overrides: of each job.
        first: the number of the first job.
        options: of the group hydra/launcher.

    Raises:
        ValueError: if an option is not of its kind, there is no SLURM, or it refuses the jobs.
    """
    wanted = Wanted.of(options)
    jobs = asked_for(config, job_overrides, first)
    orders = ordered(jobs)
    for experiment in dict.fromkeys(order.folder.parent for order in orders):
        submit(experiment, [order for order in orders if order.folder.parent == experiment], wanted)
    if wanted.wait:
        wait_for([order.folder for order in orders])
    return [job.ended or standing(job, wanted.wait) for job in jobs]


def submit(experiment: Path, orders: Sequence[Order], wanted: Wanted) -> list[SentJob]:
    """Sends runs of one experiment to SLURM, unless they are running or in its queue, and says so.

    Raises:
        ValueError: if there is no SLURM, or it refuses the jobs.
    """
    with submitting(experiment):
        states = job_states(experiment)
        waiting = []
        for order in orders:
            state = state_of(order.folder, states, anew=order.fresh is not None)
            if state.state in QUEUED or is_held(order.folder):
                say(f"{order.name}  {state.state if state.state in QUEUED else 'running'}  {state.note}".rstrip())
            elif not wanted.only or state.state in wanted.only:
                waiting.append(order)
        sent: list[SentJob] = []
        try:
            for _, group in groupby(sorted(waiting, key=lambda order: order.group), lambda order: order.group):
                sent += send(experiment, list(group), wanted)
        finally:
            add_jobs(experiment, sent)  # those that were sent before SLURM refused one
    arrays = dict.fromkeys(job.job.partition("_")[0] for job in sent)
    if sent:
        jobs = f"{len(sent)} job{'s' if len(sent) > 1 else ''} ({', '.join(arrays)})"
        say(f"{len(waiting)} of {len(orders)} runs sent in {jobs}; calrun status {experiment}")
    else:
        say(f"{experiment}: nothing to send")
    return sent


def send(experiment: Path, orders: Sequence[Order], wanted: Wanted) -> list[SentJob]:
    """Sends runs that need the same resources, as one array of jobs."""
    size = wanted.pack
    packs = [tuple(orders[start : start + size]) for start in range(0, len(orders), size)]
    resources = resources_of(orders, wanted, len(packs[0]) if wanted.side_by_side else 1)
    for order in orders:
        Deaths(order.folder).forget()
        forget_refusal(order.folder)
        forget_cancelled(order.folder)
    made = [Pack(pack, len(pack) if wanted.side_by_side else 1, wanted.resources["signal_delay_s"]) for pack in packs]
    with refusals(resources.get("mem_gb")), redirect_stderr(io.StringIO()):  # submitit repeats there what sbatch says
        ids = [job.job_id for job in executor(experiment, resources).map_array(Pack.__call__, made)]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return [SentJob(job, tuple(order.name for order in pack), now) for job, pack in zip(ids, packs, strict=True)]


def resources_of(orders: Sequence[Order], wanted: Wanted, at_once: int) -> dict[str, Any]:
    """Returns what the jobs of a class are given.

    Raises:
        ValueError: if it follows from a plan that cannot be made.
    """
    if wanted.resources.get("mem_gb") != BY_PLAN:
        return wanted.resources
    return wanted.resources | {"mem_gb": memory_gb(orders, at_once)}


def executor(experiment: Path, resources: Mapping[str, Any]) -> Any:
    """Returns submitit's executor for an experiment's jobs."""
    import submitit
    from submitit.helpers import clean_env

    shared = ("timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node")
    named = {key if key in shared else f"slurm_{key}": value for key, value in resources.items()}
    named["slurm_additional_parameters"] = {"requeue": True, **(resources.get("additional_parameters") or {})}
    with clean_env():  # a job may submit jobs
        made = submitit.AutoExecutor(folder=str(jobs_folder(experiment) / "%j"), cluster="slurm")
        made.update_parameters(name=experiment.name, slurm_teardown=list(AFTERWARDS), **named)
    return made


@contextmanager
def refusals(mem_gb: float | None) -> Iterator[None]:
    """Turns what submitit and sbatch say into one sentence.

    Args:
        mem_gb: the memory that each job asks for, if it asks for any.

    Raises:
        ValueError: if there is no SLURM, or it refuses a job.
    """
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    try:
        yield
    except (FailedJobError, FailedSubmissionError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        told = [line for line in lines if line.startswith(("sbatch:", "salloc:"))] or lines[-1:]
        said = "; ".join(line.split("error: ")[-1] for line in told)
        raise ValueError(f"SLURM refuses the jobs ({said}); {remedy(said, mem_gb)}, then send them") from None
    except RuntimeError as error:
        raise ValueError(f"{error}; hydra/launcher=slurm wants a machine with SLURM's commands") from error


def remedy(said: str, mem_gb: float | None) -> str:
    """Returns what to change about jobs that SLURM refuses, by what it says."""
    if mem_gb is None or not any(sign in said.lower() for sign in OF_MEMORY):
        return "change hydra.launcher's options"
    return (
        f"each job asks for {mem_gb:g} GB: set hydra.launcher.mem_gb to less, or change hydra.launcher's other options"
    )


def wait_for(folders: Sequence[Path]) -> None:
    """Waits until no job of the runs is in the queue; Ctrl-C ends the waiting alone."""
    try:
        while any(jobs_in_queue(folders)):
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        places = " ".join(dict.fromkeys(str(folder.parent) for folder in folders))
        say(f"the jobs stay in the queue and go on; calrun cancel {places} ends them")
        raise


def jobs_in_queue(folders: Sequence[Path]) -> Iterator[JobState]:
    """Yields the jobs of runs that wait or run."""
    for experiment in dict.fromkeys(folder.parent for folder in folders):
        states = job_states(experiment, [folder.name for folder in folders if folder.parent == experiment])
        yield from (state for state in states.values() if state.queued is not None)


def standing(job: Asked, waited: bool) -> JobReturn:
    """Returns how a job stands after its run was sent."""
    if not waited:
        return job_return(job.overrides, job.cfg, None)
    accuracy = finished_accuracy(job.folder, job.cfg)
    if accuracy is not None:
        return job_return(job.overrides, job.cfg, accuracy)
    status = state_of(job.folder, job_states(job.folder.parent, [job.folder.name]))
    code = last_exit_code(job.folder) if status.state == "failed" else 1
    return job_return(job.overrides, job.cfg, FailedRun(f"{job.folder.name}: {status.state}  {status.note}", code))
