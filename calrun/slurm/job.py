"""What a SLURM job does: it plays its runs, and when SLURM ends it too early, it ends them and returns to the queue.

submitit calls a `Pack` in the job. Nothing is handed back to submitit: run folders say what has become of the runs.
"""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType

from calrun.folder.deaths import Deaths
from calrun.folder.sweep_file import note_refusal
from calrun.machine.job import Job, this_job
from calrun.machine.process import num_cpus
from calrun.machine.signals import end_process
from calrun.slurm.jobs_file import is_cancelled, log_of
from calrun.slurm.queue import ended, queue, requeue, seconds_left
from calrun.sweep.child import AGAIN
from calrun.sweep.order import Order
from calrun.sweep.supervisor import FAULT, Supervisor
from calrun.text.say import warn

TOLD = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
CANCELLED = ("", "None")  # SLURM's reason for a job that it ends because somebody wants it to
NOT_ITS_FAULT = ("NODE_FAIL", "PREEMPTED")  # states of an earlier attempt that say nothing against the run
LIMIT_SECONDS = 75.0  # SLURM's signal may come a minute earlier than was asked for

# What a batch script does after its step: one that was killed goes on, as after a preemption. Of an array, SLURM's job
# number alone would mean all tasks.
AFTERWARDS = (
    "code=$?",
    "job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}; job=${job:-$SLURM_JOB_ID}",
    "case $code in 134|135|137|139)",
    'echo "calrun: the step of job $job was killed ($code)" >&2; scontrol requeue $job;;',
    "esac",
    "exit $code",
)


@dataclass(frozen=True)
class Pack:
    """The runs of one job.

    Args:
        orders: what to play.
        at_once: how many of them side by side.
        signal_seconds: how long before its time limit SLURM tells the job.
    """

    orders: tuple[Order, ...]
    at_once: int
    signal_seconds: float

    def __call__(self) -> None:
        """Plays the runs; ends the process with the highest exit code of any."""
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, num_cpus() // self.at_once)))
        supervisor = Supervisor(
            self.at_once,
            lambda order: log_of(order.folder),
            (AGAIN, FAULT),  # nobody looks on
            lambda order: is_cancelled(order.folder),
        )
        came: list[int] = []

        def told(signum: int, frame: FrameType | None) -> None:
            came.append(signum)
            supervisor.is_ending = True

        for number in (*TOLD, signal.SIGCONT):
            signal.signal(number, told if number in TOLD else signal.SIG_IGN)
        job = this_job()
        orders = [order for order in self.orders if begins(order, job)]
        endings = supervisor.play(orders)
        if came:
            over = {ending.order.folder for ending in endings}
            left = [order for order in orders if order.folder not in over and not is_cancelled(order.folder)]
            code = self.goes_back(came[0], job, left, supervisor.cut_off)
        else:
            code = max((ending.code for ending in endings), default=0 if orders == [*self.orders] else FAULT)
        end_process(code)

    def goes_back(self, signum: int, job: Job, left: Sequence[Order], cut_off: Sequence[Order]) -> int:
        """Returns a job to the queue, unless it was cancelled or nothing is left of it; returns its exit code."""
        name, code = signal.Signals(signum).name, 128 + signum
        now = queue([job.id]).get(job.id)
        if now is None or (now.state != "RUNNING" and now.reason in CANCELLED):
            warn(f"job {job.id} is ended by {name}; the same command goes on from here")
            return code
        if seconds_left(job.id) < self.signal_seconds + LIMIT_SECONDS:
            left = [order for order in left if order not in cut_off or not stuck(order)]  # others waited for their turn
        if left and requeue(job.id):
            warn(f"job {job.id} is ended by {name} and returns to the queue; {len(left)} of its runs go on from there")
        return code


def begins(order: Order, job: Job) -> bool:
    """Tells whether a run is played in this attempt of its job: not if the job has died with it twice in one place."""
    deaths = Deaths(order.folder)
    reason = ""
    if job.attempt and deaths.was_playing() and ended([job.id]).get(job.id, "") not in NOT_ITS_FAULT:
        reason = deaths.note("killed with its job")
    if reason:
        note_refusal(order.folder, reason, FAULT, log_of(order.folder))
        return False
    return True


def stuck(order: Order) -> bool:
    """Tells whether a run has met its job's time limit twice in the same place, and notes why it does not go on."""
    reason = Deaths(order.folder).note("its job's time limit; give it a larger timeout_min")
    if reason:
        note_refusal(order.folder, reason, FAULT, log_of(order.folder))
    return bool(reason)
