"""What a multirun does besides its jobs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from calrun.status import statuses
from calrun.sweep import split_sweep, without_sweeps
from calrun.sweep_file import SWEEP_FILE
from calrun.watcher import Watcher


def test_a_multirun_notes_its_runs_before_the_first_one(play: Callable[..., Any], tmp_path: Path) -> None:
    play("-m", "method=al,cal_er", "seed=0,1", "budget.rounds=1")
    (noted,) = tmp_path.rglob(SWEEP_FILE)
    runs = {path.parent.name for path in tmp_path.rglob("rounds.jsonl")}
    assert set(json.loads(noted.read_text())["runs"]) == runs
    assert len(runs) == 4
    assert {run.state for run in statuses(tmp_path)} == {"finished"}


def test_recipes_that_differ_between_jobs_are_foreseen(play: Callable[..., Any], tmp_path: Path) -> None:
    """Hyper-parameters of a pair of data set and method, and of an experiment's own sweep, are part of a run's name."""
    play("-m", "method=cal_der", "method.objective.alpha=0.1,0.5", "optimizer=adam,sgd", "budget.rounds=1")
    (noted,) = tmp_path.rglob(SWEEP_FILE)
    assert set(json.loads(noted.read_text())["runs"]) == {path.parent.name for path in tmp_path.rglob("rounds.jsonl")}


def test_a_sweep_is_split_as_hydra_does() -> None:
    """The command wins over an experiment's own values; commas in lists, quotes and braces make no jobs."""
    sweeper = OmegaConf.create({"params": {"method": "al,cal_er", "seed": "0,1"}})
    assert split_sweep(sweeper, ["seed=7", "x=[1,2]"]) == [
        ("method=al", "seed=7", "x=[1,2]"),
        ("method=cal_er", "seed=7", "x=[1,2]"),
    ]
    assert split_sweep(OmegaConf.create({"params": None}), ["seed=range(2)", "y='a,b'"]) == [
        ("seed=0", "y='a,b'"),
        ("seed=1", "y='a,b'"),
    ]
    assert without_sweeps(["seed=0,1", "x=[1,2]", "y='a,b'", "z=choice(1,2)"]) == ["x=[1,2]", "y='a,b'"]


def line(number: int) -> str:
    seconds = {"fit": 1.0}
    found = {
        "round": number,
        "rounds": 3,
        "labelled": 10,
        "train_accuracy": 1.0,
        "epochs": 2,
        "stop_reason": "max epochs",
    }
    return json.dumps({**found, "test": {"test": {"accuracy": 0.5}}, "seconds": seconds}) + "\n"


def test_the_watcher_shows_each_new_round_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    (first / "rounds.jsonl").write_text(line(1))
    watcher = Watcher([first, second])
    (first / "rounds.jsonl").write_text(line(1) + line(2))
    watcher.look()
    watcher.look()
    (second / "rounds.jsonl").write_text(line(1) + line(2) + line(3))
    watcher.look()
    shown = [text for text in capsys.readouterr().out.splitlines() if "round" in text]
    assert [text.split()[0] for text in shown] == ["first", "second", "second", "second"]
    task = watcher.progress.tasks[0]
    assert (task.completed, task.total, task.description) == (5, 6, "1 of 2 runs finished")
