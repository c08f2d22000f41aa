"""What `calrun status` says of run folders."""

import fcntl
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calrun.status import SWEEP_FILE, statuses

FIT = {"state": "running", "round": 2, "rounds": 5, "phase": "fit", "epoch": 3, "epochs": 40, "updated": "now"}


def run_with(folder: Path, said: dict[str, Any], last_round: int = 0) -> Path:
    """A run folder as a process would have left it."""
    folder.mkdir(parents=True)
    (folder / "status.json").write_text(json.dumps(said))
    (folder / "lock").touch()
    lines = [{"round": t, "rounds": 5, "test": {"clean": {"accuracy": t / 10}}} for t in range(1, last_round + 1)]
    (folder / "rounds.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_a_run_is_running_as_long_as_somebody_holds_its_lock(tmp_path: Path) -> None:
    folder = run_with(tmp_path / "run", FIT)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (run,) = statuses(tmp_path)
        assert (run.state, run.round) == ("running", "2/5 fit epoch 3/40")
    (run,) = statuses(tmp_path)
    assert (run.state, run.round) == ("interrupted", "2/5 fit epoch 3/40")


def test_a_run_killed_after_its_last_commit_is_finished(tmp_path: Path) -> None:
    run_with(tmp_path / "run", FIT | {"round": 5, "phase": "commit"}, last_round=5)
    (run,) = statuses(tmp_path)
    assert (run.state, run.note, run.round) == ("finished", "50.00%", "5/5")


def test_a_failed_run_says_why_and_a_finished_one_how_well(tmp_path: Path) -> None:
    run_with(tmp_path / "a", FIT | {"state": "failed", "error": "no space left"})
    run_with(tmp_path / "b", {"state": "finished", "round": 5, "rounds": 5, "accuracy": 0.875})
    assert [(run.name, run.state, run.note) for run in statuses(tmp_path)] == [
        ("a", "failed", "no space left"),
        ("b", "finished", "87.50%"),
    ]


def test_runs_that_a_multirun_has_yet_to_begin_are_waiting(tmp_path: Path) -> None:
    run_with(tmp_path / "experiment" / "a", FIT)
    (tmp_path / "experiment" / SWEEP_FILE).write_text(json.dumps({"runs": ["a", "b"]}))
    assert [(run.name, run.state) for run in statuses(tmp_path)] == [("a", "interrupted"), ("b", "waiting")]


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no run"):
        statuses(tmp_path)
    with pytest.raises(ValueError, match="there is no folder"):
        statuses(tmp_path / "nothing")


def test_the_command_shows_a_table_and_counts(calrun: Callable[..., Any], tmp_path: Path) -> None:
    name = "fmnist-resnet18-cal_sds2-base_balanced-s12345-0123abcd"
    run_with(tmp_path / "runs" / name, FIT)
    run_with(tmp_path / "runs" / "b", {"state": "finished", "round": 5, "rounds": 5, "accuracy": 0.875})
    answer = calrun("status", str(tmp_path / "runs"))
    assert answer.code == 0
    assert name in answer.out  # however narrow the terminal
    assert answer.out.splitlines()[-1] == "1 finished  1 interrupted"
    assert len(answer.out.splitlines()) == 4


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"state": "runn'])
def test_a_damaged_run_is_named_and_does_not_hide_the_others(tmp_path: Path, text: str) -> None:
    (run_with(tmp_path / "a", FIT) / "status.json").write_text(text)
    (run_with(tmp_path / "b", FIT) / "rounds.jsonl").write_text(text or "{")
    run_with(tmp_path / "c", {"state": "finished", "round": 5, "rounds": 5, "accuracy": 0.875})
    runs = statuses(tmp_path)
    assert [(run.name, run.state) for run in runs] == [("a", "damaged"), ("b", "damaged"), ("c", "finished")]
    assert f"{tmp_path}/a/status.json is damaged" in runs[0].note
    assert f"{tmp_path}/b/rounds.jsonl is damaged" in runs[1].note


def test_a_run_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "a" / "status.json").mkdir(parents=True)
    run_with(tmp_path / "b", {"state": "finished", "round": 5, "rounds": 5, "accuracy": 0.875})
    assert [(run.name, run.state) for run in statuses(tmp_path)] == [("a", "damaged"), ("b", "finished")]


def test_a_damaged_plan_of_a_multirun_is_named(tmp_path: Path) -> None:
    (tmp_path / SWEEP_FILE).write_text("runs")
    with pytest.raises(ValueError, match=f"{SWEEP_FILE} is damaged"):
        statuses(tmp_path)
