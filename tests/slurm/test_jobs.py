"""Runs as jobs of a real SLURM: what accounting, the job's log, the launcher and `calrun status` say of their end."""

import json
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]


def test_a_job_that_cannot_play_its_run_says_why(cluster: Any, small: tuple[str, ...]) -> None:
    """Refused by another process, not built, diverged: exit code 2, and one sentence wherever one looks for it."""
    slow = (*small, "method.objective._target_=objectives.Slow", "stop=fixed_epochs", "trainer.max_epochs=9999")
    holder = cluster.run(*slow, "paths.outputs=held")
    cluster.reached("held", 1)
    cases = {
        "held": (slow, "running", "another process is running"),
        "unbuilt": ((*small, "stop=early_stopping"), "failed", "the stopping rule looks at a validation split"),
        "diverging": ((*small, "method.objective._target_=objectives.Diverging"), "failed", "the loss is nan"),
    }
    launchers = {name: cluster.submit(*words, f"paths.outputs={name}") for name, (words, *_) in cases.items()}
    for name, (_, state, reason) in cases.items():
        err = launchers[name].communicate()[1]
        assert (launchers[name].returncode, "Traceback" in err, reason in err) == (2, False, True), err
        status = cluster.status(name)[0]
        assert status.split()[1] == state
        assert re.search(f"exit 2: .*{reason}.*; log: ", status), status
        log = Path(re.search(r"log: (\S+)", status)[1])
        assert [line for line in log.read_text().splitlines() if reason in line and line.startswith("calrun: ")]
        assert cluster.endings(log.parent.name) == ["FAILED|2:0"]
    assert holder.poll() is None
    holder.send_signal(signal.SIGTERM)
    assert holder.wait() == 128 + signal.SIGTERM


def streamed(pictures: Path) -> tuple[str, ...]:
    """Overrides of a run on pictures that workers decode, slow enough to be met in the middle of a fit."""
    return (
        "dataset=image_folder", f"dataset.root={pictures}", "dataset.picture.size=20", "dataset.picture.resize=24",
        "model=mlp", "trainer=cpu", "trainer.max_epochs=4", "trainer.batch_size=4", "stop=fixed_epochs",
        "budget=counts", "budget.start=12", "budget.step=8", "budget.rounds=4", "trainer.checkpoint_every_seconds=0.5",
        "method.objective._target_=objectives.Slow",
    )  # fmt: skip


def folder_of(cluster: Any, outputs: str) -> Path:
    """The run with seed 0 below a folder."""
    return next((cluster.folder / outputs).glob("*/*-s0-*"))


def test_a_job_with_workers_that_is_requeued_goes_on_in_the_same_log(
    cluster: Any, pictures: Path, result_of: Callable[[Path], Any]
) -> None:
    words = streamed(pictures)
    unbroken = cluster.run(*words, "paths.outputs=unbroken")
    launcher = cluster.submit(*words, "paths.outputs=jobs")
    job = cluster.reached("jobs", 2)["logs"][0]["job"]
    cluster.said("scancel", "--signal=USR2", job)  # to all processes of the job, as SLURM does before its time is up
    states, folder = set(), folder_of(cluster, "jobs")
    while launcher.poll() is None:
        states.add(json.loads((folder / "status.json").read_text())["state"])
        time.sleep(0.05)
    assert (launcher.returncode, launcher.communicate()[1]) == (0, "")
    assert states <= {"running", "finished"}
    assert cluster.endings(job) == ["REQUEUED|0:0", "COMPLETED|0:0"]
    assert unbroken.wait() == 0
    assert result_of(folder) == result_of(folder_of(cluster, "unbroken"))
    logs = json.loads((folder / "status.json").read_text())["logs"]
    assert [(log["job"], log["attempt"]) for log in logs] == [(job, 0), (job, 1)]
    assert re.findall(r"round +(\d)/4", Path(logs[0]["stdout"]).read_text()) == ["1", "2", "3", "4"]  # of both attempts


def test_a_job_that_is_cancelled_ends_with_one_line_and_one_that_is_warned_works_on(
    cluster: Any, pictures: Path, result_of: Callable[[Path], Any]
) -> None:
    words = streamed(pictures)
    unbroken = cluster.run(*words, "paths.outputs=unbroken")
    launcher = cluster.submit(*words, "seed=0,1", "paths.outputs=jobs")
    job = cluster.reached("jobs", 2)["logs"][0]["job"]
    cluster.said("scancel", "--signal=TERM", job)  # as before preemption; SLURM has not ended the job
    cluster.reached("jobs", 3)
    cluster.said("scancel", job)
    err = launcher.communicate()[1]
    assert launcher.returncode == 1
    assert re.fullmatch(rf"calrun: job {job} \(CANCELLED by 0\) has ended before .*\n", err), err
    assert "FAILED|15:0" in cluster.endings(job, steps=True)  # 128 + 15, as accounting writes it
    log = cluster.folder / "jobs" / ".submitit" / job / f"{job}_0_log.err"
    assert re.findall("^calrun: .*$", log.read_text(), re.M) == [
        "calrun: ended by SIGTERM; the same command goes on from here"
    ]
    assert any("interrupted  " in line and f"log: {log} " in line for line in cluster.status("jobs"))
    assert cluster.endings(job.replace("_0", "_1")) == ["COMPLETED|0:0"]  # its neighbour in the array
    assert cluster.submit(*words, "seed=0,1", "paths.outputs=jobs").wait() == 0
    assert unbroken.wait() == 0
    assert result_of(folder_of(cluster, "jobs")) == result_of(folder_of(cluster, "unbroken"))


def test_a_run_is_one_task_of_its_step_however_many_its_job_has(cluster: Any, small: tuple[str, ...]) -> None:
    calrun = (sys.executable, "-m", "calrun.cli", "run", *small, "budget.rounds=1", "paths.outputs=tasks")
    refused = cluster.said("srun", "--ntasks=2", *calrun)
    assert refused.count("SLURM started 2 tasks of this step (SLURM_STEP_NUM_TASKS)") == 2, refused
    assert not list(cluster.folder.glob("tasks/*/*"))
    allocated = cluster.start("salloc", "--quiet", "--ntasks=4", *calrun)
    assert "finished" in allocated.communicate()[0]
    assert allocated.returncode == 0
    launcher = cluster.submit(*small, "hydra.launcher.tasks_per_node=2", "paths.outputs=launched")
    assert "the launcher's tasks_per_node to 1" in launcher.communicate()[1]
    assert launcher.returncode == 2
