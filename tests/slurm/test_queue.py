"""What is read from SLURM's answers, and what becomes of them in `calrun status`; no SLURM is needed."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calrun.folder.deaths import Deaths
from calrun.folder.status import RunStatus, run_status
from calrun.folder.sweep_file import add_runs, refused_names
from calrun.machine.job import Job
from calrun.slurm import queue as asked
from calrun.slurm.commands import submit_words
from calrun.slurm.job import Pack, stuck
from calrun.slurm.jobs_file import SentJob, add_jobs, forget_cancelled, jobs_folder, latest_jobs, log_of, mark_cancelled
from calrun.slurm.launch import remedy
from calrun.slurm.queue import Queued, ended, queue, seconds_left, tasks
from calrun.slurm.state import JobState, with_job
from calrun.sweep.order import Order

SENT = SentJob("7_1", ("run",), "2026-01-01T10:00:00+00:00")
EARLIER, LATER = "2026-01-01T09:59:59+00:00", "2026-01-01T10:00:05+00:00"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What each command of SLURM prints, by its name."""
    found: dict[str, str] = {}
    monkeypatch.setattr(asked, "_ask", lambda *words: found.get(words[0], ""))
    return found


def test_jobs_are_read_from_the_queue(answers: dict[str, str]) -> None:
    answers["squeue"] = "7_0|PENDING|Priority|0|\n7_1|RUNNING|None|2|\n8|RUNNING|None|0|\n"
    expected = {"7_0": Queued("PENDING", "Priority"), "7_1": Queued("RUNNING", "", 2)}
    assert queue(["7_0", "7_1", "9_0"]) == expected


def test_jobs_that_left_before_they_ran_are_accounted_for_together(answers: dict[str, str]) -> None:
    answers["sacct"] = "7_[0-2,5%8]|CANCELLED by 0\n7_3|NODE_FAIL\n"
    assert ended(["7_0", "7_2", "7_3", "7_4", "7_5"]) == {
        "7_0": "CANCELLED by 0", "7_2": "CANCELLED by 0", "7_5": "CANCELLED by 0", "7_3": "NODE_FAIL",
    }  # fmt: skip
    assert list(tasks("7_[3]")) == ["7_3"]
    assert list(tasks("12")) == ["12"]


@pytest.mark.parametrize(
    ("told", "seconds"), [("0:35", 35), ("12:03", 723), ("1:00:00", 3600), ("2-03:04:05", 183845), ("UNLIMITED", None)]
)
def test_the_time_that_a_job_has_left(answers: dict[str, str], told: str, seconds: float | None) -> None:
    answers["squeue"] = told
    assert seconds_left("7") == (float("inf") if seconds is None else seconds)


@pytest.mark.parametrize(
    ("state", "updated", "job", "expected"),
    [
        ("finished", LATER, JobState(SENT, None, "FAILED"), "finished"),
        ("running", LATER, JobState(SENT, Queued("RUNNING")), "running"),
        ("waiting", "", JobState(SENT, Queued("PENDING", "Priority")), "queued"),
        ("interrupted", LATER, JobState(SENT, Queued("PENDING", "BeginTime", 1)), "requeued"),
        ("failed", EARLIER, JobState(SENT, Queued("PENDING")), "queued"),  # it failed before it was sent again
        ("failed", LATER, JobState(SENT, Queued("RUNNING")), "failed"),  # another run of its job goes on
        ("interrupted", LATER, JobState(SENT, None, "NODE_FAIL"), "lost"),
        ("interrupted", LATER, JobState(SENT, None, "CANCELLED by 0"), "cancelled"),
        ("waiting", "", JobState(SENT, None), "lost"),
        ("waiting", "", None, "waiting"),
        ("labels wanted", LATER, JobState(SENT, None, "FAILED"), "labels wanted"),
    ],
)
def test_how_a_run_stands_by_its_folder_and_its_job(
    state: str, updated: str, job: JobState | None, expected: str, tmp_path: Path
) -> None:
    assert with_job(tmp_path / "run", RunStatus("run", state, updated=updated), job).state == expected


def test_a_run_whose_job_goes_on_with_it_has_not_failed(tmp_path: Path) -> None:
    status = RunStatus("run", "failed", updated=LATER)
    Deaths(tmp_path / "run").begin()
    assert with_job(tmp_path / "run", status, JobState(SENT, Queued("RUNNING"))).state == "requeued"
    Deaths(tmp_path / "run").end()
    assert with_job(tmp_path / "run", status, JobState(SENT, Queued("RUNNING"))).state == "failed"


def test_the_last_job_of_a_run_counts_and_a_line_cut_off_does_not(tmp_path: Path) -> None:
    jobs_folder(tmp_path).mkdir()
    later = SentJob("8", ("run",), LATER)
    add_jobs(tmp_path, [SENT, SentJob("7_2", ("other",), SENT.submitted), later])
    with (jobs_folder(tmp_path) / "jobs.jsonl").open("a") as file:
        file.write('{"job": "9", "ru')
    assert latest_jobs(tmp_path) == {"run": later, "other": SentJob("7_2", ("other",), SENT.submitted)}


def test_options_of_jobs_may_stand_by_themselves() -> None:
    words = submit_words(["method=al,cal_er", "partition=gpu", "pack=4"], "failed,lost")
    launcher = ["hydra.launcher.partition=gpu", "hydra.launcher.pack=4", "hydra/launcher=slurm"]
    assert words == [
        "-m", "method=al,cal_er", *launcher, "hydra.launcher.only=[failed,lost]", "hydra.launcher.wait=false",
    ]  # fmt: skip
    assert submit_words(["hydra/launcher=mine"], None).count("hydra/launcher=slurm") == 0


def test_status_without_an_answer_of_slurm_shows_the_folders(
    calrun: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sweep.json").write_text(json.dumps({"runs": ["run"]}))
    jobs_folder(tmp_path).mkdir()
    add_jobs(tmp_path, [SENT])
    monkeypatch.setenv("PATH", "")
    answer = calrun("status", str(tmp_path))
    assert answer.code == 0
    assert answer.out.splitlines()[1].split() == ["run", "waiting"]
    assert len(answer.err.splitlines()) == 1
    assert "only run folders are shown" in answer.err


def test_a_run_that_waits_for_its_turn_in_a_job_is_not_blamed_for_the_time_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_back: list[str] = []
    monkeypatch.setattr("calrun.slurm.job.queue", lambda jobs: {"7": Queued("RUNNING")})
    monkeypatch.setattr("calrun.slurm.job.seconds_left", lambda job: 30.0)
    monkeypatch.setattr("calrun.slurm.job.requeue", lambda job: not asked_back.append(job))
    played, waiting = (Order((), tmp_path / name, tmp_path) for name in ("played", "waiting"))
    pack = Pack((played, waiting), 1, 120.0)
    for _ in range(3):
        assert pack.goes_back(signal.SIGUSR2, Job("7"), [played, waiting], [played]) == 128 + signal.SIGUSR2
    assert asked_back == ["7", "7", "7"]  # for the one that waits
    assert list(refused_names(tmp_path)) == ["played"]
    assert pack.goes_back(signal.SIGUSR2, Job("7"), [played], [played]) == 128 + signal.SIGUSR2
    assert asked_back == ["7", "7", "7"]  # nothing is left of it


def test_the_log_that_is_named_after_a_second_time_limit_is_the_runs_own(tmp_path: Path) -> None:
    """Not that of the process which looks after the runs of the job."""
    log = log_of(tmp_path / "run")
    for _ in range(2):
        assert stuck(Order((), tmp_path / "run", tmp_path)) == log.exists()
        log.parent.mkdir(exist_ok=True)
        log.touch()
    assert run_status(tmp_path / "run").note.endswith(
        f"give it a larger timeout_min), so it is not started a third time; log: {log}"
    )


def test_the_log_of_a_lost_run_is_its_own_if_it_has_begun(tmp_path: Path) -> None:
    folder, job = tmp_path / "run", JobState(SENT, None, "TIMEOUT")
    errors, own = jobs_folder(tmp_path) / "7_1/7_1_0_log.err", log_of(folder)
    errors.parent.mkdir(parents=True)
    for path in (errors, own):
        path.touch()
    assert with_job(folder, RunStatus("run", "interrupted"), job).note.endswith(f"(TIMEOUT); log: {errors}")
    folder.mkdir()
    (folder / "config.yaml").touch()
    assert with_job(folder, RunStatus("run", "interrupted"), job).note.endswith(f"(TIMEOUT); log: {own}")


def test_a_log_that_is_not_there_is_one_sentence(refusal: Callable[..., str], tmp_path: Path) -> None:
    add_runs(tmp_path / "later", ["run"])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").touch()
    for folder in ("run", "later/run"):
        assert "it was sent in no job" in refusal("logs", str(tmp_path / folder))


def test_the_log_of_a_folder_that_is_no_run_is_refused_by_what_it_is(
    refusal: Callable[..., str], tmp_path: Path
) -> None:
    assert f"there is no folder {tmp_path / 'nowhere'}; give a run folder" in refusal("logs", str(tmp_path / "nowhere"))
    assert "holds no run" in refusal("logs", str(tmp_path))
    add_runs(tmp_path / "experiment", [f"run-{number}" for number in range(7)])
    said = refusal("logs", str(tmp_path / "experiment"))
    assert f"wants one run, but {tmp_path / 'experiment'} holds run-0, run-1, run-2, run-3, run-4 and 2 more;" in said


def test_an_array_that_was_cancelled_before_it_had_tasks_has_ended(answers: dict[str, str]) -> None:
    answers["sacct"] = "9|CANCELLED by 0\n8_0|COMPLETED\n"
    assert ended(["9_0", "9_1", "8_0"]) == {"9_0": "CANCELLED by 0", "9_1": "CANCELLED by 0", "8_0": "COMPLETED"}


def test_a_cancelled_run_of_a_pack_is_cancelled_until_it_is_sent_again(tmp_path: Path) -> None:
    jobs_folder(tmp_path).mkdir()
    run, status = tmp_path / "run", RunStatus("run", "interrupted", updated=LATER)
    mark_cancelled(run)
    assert with_job(run, status, JobState(SENT, Queued("RUNNING"))).state == "cancelled"
    forget_cancelled(run)
    assert with_job(run, status, JobState(SENT, Queued("RUNNING"))).state == "queued"


def test_what_never_starts_is_said(tmp_path: Path) -> None:
    job = JobState(SENT, Queued("PENDING", "PartitionConfig"))
    assert "does not start" in with_job(tmp_path / "run", RunStatus("run", "waiting"), job).note


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("cpus_per_task=x", "hydra.launcher.cpus_per_task wants a whole number from 1 to 10,000, got 'x'"),
        ("gpus_per_node=none", "hydra.launcher.gpus_per_node wants a whole number from 0"),
        ("timeout_min=999999999999", "hydra.launcher.timeout_min wants a whole number from 1 to 5,256,000"),
        ("mem_gb=much", "hydra.launcher.mem_gb wants a number of GB above 0, or plan, got 'much'"),
        ("side_by_side=maybe", "hydra.launcher.side_by_side wants true or false, got 'maybe'"),
        ("setup=module", "hydra.launcher.setup wants [COMMAND, COMMAND], got 'module'"),
        ("additional_parameters=nice", "hydra.launcher.additional_parameters wants {NAME: VALUE}, got 'nice'"),
        ("hparams=fuond", "hparams=fuond is no option"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_sent(
    word: str, reason: str, refusal: Callable[..., str], small: tuple[str, ...], tmp_path: Path
) -> None:
    assert reason in refusal("submit", *small, word, f"paths.outputs={tmp_path / 'outputs'}")


def test_an_unknown_state_is_refused(refusal: Callable[..., str], small: tuple[str, ...], tmp_path: Path) -> None:
    said = refusal("submit", *small, "--only", "failed,fialed", f"paths.outputs={tmp_path / 'outputs'}")
    assert "only wants states among waiting, interrupted, failed" in said
    assert "got fialed" in said


def test_a_run_that_cannot_work_is_not_sent(calrun: Callable[..., Any], small: tuple[str, ...], tmp_path: Path) -> None:
    answer = calrun("submit", *small, "optimizer.lr=abc", f"paths.outputs={tmp_path / 'outputs'}")
    assert answer.code == 2
    assert "optimizer.lr" in answer.out + answer.err
    assert "sent" not in answer.out


def test_a_run_that_was_sent_and_has_not_begun_can_be_named(calrun: Callable[..., Any], tmp_path: Path) -> None:
    add_runs(tmp_path, ["digits-mlp-al-entropy-s0-1"])
    jobs_folder(tmp_path).mkdir()
    add_jobs(tmp_path, [SentJob("7_1", ("digits-mlp-al-entropy-s0-1",), LATER)])
    folder = str(tmp_path / "digits-mlp-al-entropy-s0-1")
    assert "digits-mlp-al-entropy-s0-1" in calrun("status", folder).out
    assert calrun("cancel", folder).code == 0


def test_a_queued_runs_log_is_not_there_yet(refusal: Callable[..., str], tmp_path: Path) -> None:
    jobs_folder(tmp_path).mkdir()
    add_jobs(tmp_path, [SentJob("7_1", ("run",), LATER)])
    assert "there is no log of run yet: it is" in refusal("logs", str(tmp_path / "run"))


def test_runs_of_several_experiments_are_told_apart(calrun: Callable[..., Any], tmp_path: Path) -> None:
    for experiment in ("first", "second"):
        (tmp_path / experiment).mkdir()
        add_runs(tmp_path / experiment, ["digits-mlp-al-entropy-s0-1"])
    out = calrun("status", str(tmp_path)).out
    assert "first/digits-mlp-al-entropy-s0-1" in out
    assert "second/digits-mlp-al-entropy-s0-1" in out


def test_memory_that_slurm_refuses_is_named_with_its_option(
    refusal: Callable[..., str], small: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    for name, says in (("srun", ""), ("sbatch", "Memory specification can not be satisfied")):
        path = tmp_path / "bin" / name
        path.write_text(f'#!/bin/sh\necho "{name}: error: {says}" >&2\nexit 1\n')
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    words = ("submit", *small, "pack=2", f"paths.outputs={tmp_path / 'outputs'}")
    refused = "SLURM refuses the jobs (Memory specification can not be satisfied)"
    assert f"{refused}; each job asks for 900 GB: set hydra.launcher.mem_gb to less" in refusal(*words, "mem_gb=900")
    assert f"{refused}; change hydra.launcher's options" in refusal(*words)


@pytest.mark.parametrize(
    ("said", "named"),
    [("Requested node configuration is not available", True), ("invalid partition specified: nowhere", False)],
)
def test_only_a_refusal_that_memory_may_cause_names_memory(said: str, named: bool) -> None:
    assert ("mem_gb" in remedy(said, 12)) == named
