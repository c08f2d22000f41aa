"""Runs as jobs of a real SLURM: what accounting, the job's log, the launcher and `calrun status` say of their end."""

import json
import re
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]
SLOW = ("method.objective._target_=objectives.Slow", "stop=fixed_epochs")


def jobs_of(cluster: Any, outputs: str) -> dict[str, str]:
    """The last job of each run below a folder."""
    found = {}
    for path in (cluster.folder / outputs).glob("*/.jobs/jobs.jsonl"):
        for line in map(json.loads, path.read_text().splitlines()):
            found |= dict.fromkeys(line["runs"], line["job"])
    return found


def folder_of(cluster: Any, outputs: str) -> Path:
    """The run with seed 0 below a folder."""
    return next((cluster.folder / outputs).glob("*/*-s0-*"))


def test_a_job_that_cannot_play_its_run_says_why(cluster: Any, small: tuple[str, ...]) -> None:
    """Refused by another process, not built, diverged: exit code 2, and one sentence wherever one looks for it."""
    slow = (*small, *SLOW, "trainer.max_epochs=9999")
    holder = cluster.run(*slow, "paths.outputs=held")
    cluster.reached("held", 1)
    held = cluster.launch(*slow, "paths.outputs=held")
    cases = {
        "unbuilt": ((*small, "stop=early_stopping"), "the stopping rule looks at a validation split"),
        "diverging": ((*small, "method.objective._target_=objectives.Diverging"), "the loss is nan"),
    }
    launchers = {name: cluster.launch(*words, f"paths.outputs={name}") for name, (words, _) in cases.items()}
    for name, (_, reason) in cases.items():
        out, err = launchers[name].communicate()
        assert (launchers[name].returncode, "Traceback" in err, reason in err) == (2, False, True), err
        status = cluster.status(name)[0]
        assert status.split()[1] == "failed"
        assert re.search(f"exit 2: .*{reason}.*; log: ", status), status
        log = Path(re.search(r"log: (\S+)", status)[1])
        assert [line for line in log.read_text().splitlines() if reason in line and line.startswith("calrun: ")]
        (job,) = jobs_of(cluster, name).values()
        assert cluster.endings(job) == ["FAILED|2:0"]
        assert reason in cluster.said(*cluster.calrun, "logs", str(log.parents[1] / log.name.removesuffix(".log")))
    out, err = held.communicate()
    assert (held.returncode, jobs_of(cluster, "held")) == (1, {}), err
    assert "running" in out
    assert holder.poll() is None
    holder.send_signal(signal.SIGTERM)
    assert holder.wait() == 128 + signal.SIGTERM


def streamed(pictures: Path) -> tuple[str, ...]:
    """Overrides of a run on pictures that workers decode, slow enough to be met in the middle of a fit."""
    return (
        "dataset=image_folder", f"dataset.root={pictures}", "dataset.picture.size=20", "dataset.picture.resize=24",
        "model=mlp", "trainer=cpu", "trainer.max_epochs=4", "trainer.batch_size=4", "stop=fixed_epochs",
        "budget=counts", "budget.start=12", "budget.step=8", "budget.rounds=7", "trainer.checkpoint_every_seconds=0.5",
        "method.objective._target_=objectives.Slow",
    )  # fmt: skip


@pytest.mark.core
def test_a_job_that_is_told_to_end_returns_to_the_queue_and_goes_on_in_the_same_log(
    cluster: Any, pictures: Path, result_of: Callable[[Path], Any]
) -> None:
    """By USR2, as before its time is up, by TERM alone, as before a preemption, and by scontrol requeue."""
    words = streamed(pictures)
    unbroken = cluster.run(*words, "paths.outputs=unbroken")
    launcher = cluster.launch(*words, "paths.outputs=jobs")
    job = cluster.reached("jobs", 2)["logs"][0]["job"]
    cluster.said("scancel", "--signal=USR2", job)  # to all processes of the job
    assert cluster.reached("jobs", 2, attempt=1)
    cluster.said("scancel", "--signal=TERM", job)
    assert cluster.reached("jobs", 3, attempt=2)
    cluster.said("scontrol", "requeue", job)
    assert launcher.wait() == 0
    assert cluster.endings(job) == [*(["REQUEUED|0:0"] * 3), "COMPLETED|0:0"]
    assert unbroken.wait() == 0
    folder = folder_of(cluster, "jobs")
    assert result_of(folder) == result_of(folder_of(cluster, "unbroken"))
    logs = json.loads((folder / "status.json").read_text())["logs"]
    assert [(log["job"], log["attempt"]) for log in logs] == [(job, attempt) for attempt in range(4)]
    said = cluster.said(*cluster.calrun, "logs", str(folder))  # of all attempts
    assert re.findall(r"round +(\d)/7", said) == [*"1234567"]
    assert said.count("the same command goes on from here") >= 2


def test_a_job_whose_processes_are_killed_goes_on(cluster: Any, small: tuple[str, ...]) -> None:
    """The run's own process, the step's, and the batch script, each in another round."""
    words = (*small, *SLOW, "trainer.max_epochs=100", "trainer.checkpoint_every_seconds=0.5", "paths.outputs=killed")
    launcher = cluster.launch(*words)
    said = cluster.reached("killed", 1)
    cluster.said("kill", "-9", str(said["pid"]))
    job = cluster.reached("killed", 2, other_than=said["pid"])["logs"][0]["job"]
    cluster.said("pkill", "-9", "-f", "_submit .*/killed/default/.jobs/")
    assert cluster.reached("killed", 3, attempt=1)
    cluster.said("pkill", "-9", "-f", f"job{job.partition('_')[0]}/slurm_script")
    assert launcher.wait() == 0, launcher.communicate()
    assert cluster.endings(job)[-1] == "COMPLETED|0:0"


@pytest.mark.parametrize("victim", ["first", "other"])
def test_a_run_of_two_processes_goes_on_in_its_job_when_one_is_killed(
    cluster: Any, small: tuple[str, ...], victim: str, result_of: Callable[[Path], Any]
) -> None:
    together = (*small, "trainer=ddp", "trainer.processes=2", "trainer.accelerator=cpu", "stop=fixed_epochs")
    words = (*together, "trainer.max_epochs=20", "trainer.batch_size=8")
    unbroken = cluster.run(*words, "paths.outputs=unbroken")
    slow = (SLOW[0], "trainer.checkpoint_every_seconds=0.5")
    assert "1 of 1 runs sent" in cluster.submit(*words, *slow, "cpus_per_task=2", "paths.outputs=jobs")
    first = cluster.reached("jobs", 2)["pid"]
    others = {*map(int, cluster.said("pgrep", "-f", "calrun.*paths.outputs=jobs").split())} - {first}
    cluster.said("kill", "-9", str(first if victim == "first" else max(others)))
    assert cluster.watch("jobs")[-1] == "1 finished"
    assert unbroken.wait() == 0
    assert result_of(folder_of(cluster, "jobs")) == result_of(folder_of(cluster, "unbroken"))


def test_one_run_of_a_pack_is_cancelled_and_the_others_go_on(cluster: Any, small: tuple[str, ...]) -> None:
    words = (*small, *SLOW, "trainer.max_epochs=30", "seed=0,1", "pack=2", "paths.outputs=jobs")
    assert "2 of 2 runs sent in 1 job" in cluster.submit(*words)
    cluster.reached("jobs", 1)
    folder = folder_of(cluster, "jobs")
    said = cluster.said(*cluster.calrun, "cancel", str(folder))
    assert re.search(rf"{folder.name}  taken out of job \S+, which goes on with \S+-s1-", said), said
    assert sorted(line.split()[1] for line in cluster.watch("jobs")[1:3]) == ["cancelled", "finished"]
    assert "1 of 1 runs sent" in cluster.submit(*words).replace("1 of 2", "1 of 1")
    assert cluster.watch("jobs")[-1] == "2 finished"


def test_a_setup_that_fails_begins_no_run_and_is_said(cluster: Any, small: tuple[str, ...]) -> None:
    cluster.submit(*small, "setup=[date, no_such_command]", "paths.outputs=jobs")
    cluster.watch("jobs")
    (line,) = cluster.status("jobs")[:1]
    log = cluster.folder / re.search(r"lost .*; log: (\S+)", line)[1]
    assert "calrun: setup has failed, so that no run begins: no_such_command" in log.read_text()


def test_a_job_that_is_cancelled_ends_with_one_line_and_stays_so_until_it_is_sent_again(
    cluster: Any, small: tuple[str, ...]
) -> None:
    words = (*small, *SLOW, "trainer.max_epochs=30", "seed=0,1", "paths.outputs=jobs")
    assert "2 of 2 runs sent in 2 jobs" in cluster.submit(*words)
    job = cluster.reached("jobs", 1)["logs"][0]["job"]
    folder = folder_of(cluster, "jobs")
    assert f"{folder.name}  job {job} cancelled" in cluster.said(*cluster.calrun, "cancel", str(folder))
    assert "CANCELLED by 0|0:0" in cluster.endings(job)
    log = cluster.said(*cluster.calrun, "logs", str(folder))
    assert re.findall("^calrun: .*$", log, re.M) == ["calrun: ended by SIGTERM; the same command goes on from here"]
    assert sorted(line.split()[1] for line in cluster.status("jobs")[:2])[0] == "cancelled"
    assert "1 of 2 runs sent in 1 job" in cluster.submit(*words, "--only", "cancelled")
    assert cluster.watch("jobs")[-1] == "2 finished"
    assert "nothing to send" in cluster.submit(*words) or "finished" in cluster.submit(*words)


@pytest.mark.core
def test_only_what_is_missing_is_sent_and_two_who_submit_at_once_send_it_once(
    cluster: Any, small: tuple[str, ...]
) -> None:
    words = (*small, "seed=range(4)", "pack=2", "paths.outputs=jobs")
    both = [cluster.start(*cluster.calrun, "submit", *cluster.resources, *words) for _ in range(2)]
    said = "".join(process.communicate()[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert sum(int(number) for number in re.findall(r"(\d) of \d runs sent", said)) == 4, said
    assert cluster.watch("jobs")[-1] == "4 finished"
    assert len(set(jobs_of(cluster, "jobs").values())) == 2
    again = cluster.submit(*words)
    assert "sent" not in again
    assert again.splitlines()[-1] == "4 runs: 4 finished"
    shutil.rmtree(folder_of(cluster, "jobs"))
    assert "1 of 1 runs sent in 1 job" in cluster.submit(*words)
    assert cluster.watch("jobs")[-1] == "4 finished"


def test_code_that_has_changed_in_the_queue_is_not_played_until_it_is_submitted_again(
    cluster: Any, small: tuple[str, ...]
) -> None:
    words = (*small, *SLOW, "trainer.max_epochs=2", "paths.outputs=jobs")
    cluster.submit(*words, "additional_parameters={hold: true}")
    (job,) = jobs_of(cluster, "jobs").values()
    code = cluster.folder / "objectives.py"
    code.write_text(code.read_text().replace("0.05", "0.01"))
    cluster.said("scontrol", "release", job)
    cluster.watch("jobs")
    (line, *_) = cluster.status("jobs")
    assert "failed" in line
    assert "objectives.py changed since the run was submitted; submit it again" in line
    assert "1 of 1 runs sent" in cluster.submit(*words, "--only", "failed,lost")
    assert cluster.watch("jobs")[-1] == "1 finished"


@pytest.mark.core
@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("partition=nowhere", "SLURM refuses the jobs (invalid partition specified: nowhere"),
        ("tasks_per_node=2", "set the launcher's nodes and its tasks_per_node to 1"),
        ("pack=0", "hydra.launcher.pack wants a whole number from 1 to 10,000, got 0"),
    ],
)
def test_what_slurm_cannot_do_is_one_sentence(cluster: Any, small: tuple[str, ...], word: str, reason: str) -> None:
    submit = cluster.start(*cluster.calrun, "submit", *cluster.resources, *small, word)
    _, err = submit.communicate()
    assert (submit.returncode, len(err.splitlines())) == (2, 1), err
    assert reason in err


def test_a_run_is_one_task_of_its_step_however_many_its_job_has(cluster: Any, small: tuple[str, ...]) -> None:
    calrun = (sys.executable, "-m", "calrun.cli", "run", *small, "budget.rounds=1", "paths.outputs=tasks")
    refused = cluster.said("srun", "--ntasks=2", *calrun)
    assert refused.count("SLURM started 2 tasks of this step (SLURM_STEP_NUM_TASKS)") == 2, refused
    assert not list(cluster.folder.glob("tasks/*/*"))
    together = cluster.start("srun", "--ntasks=2", *calrun[:-1], "trainer.processes=2", "paths.outputs=together")
    out, err = together.communicate()
    assert (together.returncode, out.count("finished")) == (0, 1), err
    allocated = cluster.start("salloc", "--quiet", "--ntasks=4", *calrun)
    assert "finished" in allocated.communicate()[0]
    assert allocated.returncode == 0
