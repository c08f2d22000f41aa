"""How a run stands that was sent in a job: what its folder says, and what SLURM says of the job."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from calrun.folder.deaths import Deaths
from calrun.folder.status import RunStatus, is_run, run_status
from calrun.slurm.jobs_file import SentJob, is_cancelled, jobs_folder, latest_jobs, log_of
from calrun.slurm.queue import Queued, ended, queue

QUEUED = ("queued", "requeued")
NEVER = ("PartitionConfig", "PartitionNodeLimit", "PartitionTimeLimit", "BadConstraints")  # reasons that do not pass
NOT_ASKED = ("finished", "running", "damaged", "labels wanted")  # states that no job can change


@dataclass(frozen=True)
class JobState:
    """A run's job.

    Args:
        sent: the job.
        queued: how it stands in the queue; `None` if it has left it.
        ended: the state in which it has left the queue; empty if SLURM does not know.
    """

    sent: SentJob
    queued: Queued | None
    ended: str = ""


def job_states(experiment: Path, names: Iterable[str] | None = None) -> dict[str, JobState]:
    """Returns the last job of each run of an experiment that was sent in one, by the run's name.

    Args:
        experiment: the folder of the runs.
        names: only these runs.

    Raises:
        OSError: if SLURM does not answer.
    """
    sent = latest_jobs(experiment)
    if names is not None:
        sent = {name: sent[name] for name in names if name in sent}
    here = queue(job.job for job in sent.values())
    gone = ended(job.job for job in sent.values() if job.job not in here)
    return {name: JobState(job, here.get(job.job), gone.get(job.job, "")) for name, job in sent.items()}


def state_of(folder: Path, states: Mapping[str, JobState], anew: bool = False) -> RunStatus:
    """Returns how a run stands; with `anew` as if nothing of it were there, because it is to be played again."""
    status = RunStatus(folder.name, "waiting") if anew else run_status(folder)
    return with_job(folder, status, states.get(folder.name))


def with_job(folder: Path, status: RunStatus, job: JobState | None) -> RunStatus:
    """Returns how a run stands, given what its folder says and its job."""
    if job is None or status.state in NOT_ASKED:
        return status
    name = f"job {job.sent.job}"
    if is_cancelled(folder):
        return replace(status, state="cancelled", note=f"{name} does not play it any longer")
    runs = job.queued is not None and job.queued.state == "RUNNING"
    if status.state == "failed" and runs and Deaths(folder).was_playing():
        return replace(status, state=QUEUED[1], note=f"{name} goes on with it")
    if status.state == "failed" and status.updated >= job.sent.submitted:
        return status
    if job.queued is None:
        state = "cancelled" if job.ended.startswith("CANCELLED") else "lost"
        note = f"{name} has left the queue ({job.ended or 'no account of it'})"
        return replace(status, state=state, note=note + (_log(folder, job.sent.job) if state == "lost" else ""))
    state = QUEUED[bool(job.queued.restarts)]
    if job.queued.state == "PENDING":
        return replace(status, state=state, note=f"{name} waits{_why(job.queued.reason)}")
    return replace(status, state=state, note=f"{name} is {job.queued.state.lower()}; this run has not begun in it")


def _why(reason: str) -> str:
    never = "; it asks for more than there is, and does not start" if reason in NEVER else ""
    return f" ({reason}{never})" if reason else ""


def _log(folder: Path, job: str) -> str:
    """Returns where a run's output stands, or, if the job left none of it, the job's own errors."""
    own, found = log_of(folder), sorted(jobs_folder(folder.parent).glob(f"{job}/{job}_*_log.err"))
    places = [*([own] if own.exists() and is_run(folder) else []), *found[-1:]]
    return f"; log: {places[0]}" if places else ""
