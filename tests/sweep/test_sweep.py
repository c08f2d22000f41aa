"""What a multirun does besides its jobs."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from omegaconf import OmegaConf

from calrun.folder.record import Record
from calrun.folder.status import RunStatus, runs_below
from calrun.folder.sweep_file import SWEEP_FILE, SWEEP_VARIABLE, planned_names
from calrun.sweep.sweep import split_sweep, without_sweeps
from calrun.sweep.watcher import Watcher


def statuses(folder: Path) -> list[RunStatus]:
    return [*runs_below(folder).values()]


def test_a_multirun_notes_its_runs_before_the_first_one(play: Callable[..., Any], tmp_path: Path) -> None:
    play("-m", "method=al,cal_er", "seed=0,1", "budget.rounds=1")
    (noted,) = tmp_path.rglob(SWEEP_FILE)
    runs = {path.parent.name for path in tmp_path.rglob("rounds.jsonl")}
    assert set(json.loads(noted.read_text())["runs"]) == runs
    assert len(runs) == 4
    assert {run.state for run in statuses(tmp_path)} == {"finished"}


def test_each_job_is_composed_once(
    calrun: Callable[..., Any], small: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    composed = []
    plain = ConfigLoaderImpl.load_configuration

    def noted(self: ConfigLoaderImpl, *args: Any, **kwargs: Any) -> Any:
        composed.append(tuple(kwargs["overrides"]))
        return plain(self, *args, **kwargs)

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", noted)
    words = ("-m", *small, "hydra/launcher=processes", "optimizer.lr=-1", "seed=0,1,2")
    answer = calrun("run", *words)  # refused before anything is played
    assert answer.code == 2, answer
    jobs = [words for words in composed if {"seed=0", "seed=1", "seed=2"} & {*words}]
    assert len(jobs) == 3
    assert len(composed) <= 5  # and the multirun's own


def test_recipes_that_differ_between_jobs_are_foreseen(play: Callable[..., Any], tmp_path: Path) -> None:
    """Hyper-parameters of a pair of data set and method, and of an experiment's own sweep, are part of a run's name."""
    play("-m", "method=cal_der", "method.objective.alpha=0.1,0.5", "optimizer=adam,sgd", "budget.rounds=1")
    (noted,) = tmp_path.rglob(SWEEP_FILE)
    assert set(json.loads(noted.read_text())["runs"]) == {path.parent.name for path in tmp_path.rglob("rounds.jsonl")}


def test_a_later_multirun_adds_to_the_plan(play: Callable[..., Any], tmp_path: Path) -> None:
    """What the first one has still to play is waiting all the same."""
    play("-m", "seed=0,1", "budget.rounds=1")
    (gone,) = tmp_path.glob("outputs/default/*-s1-*")
    shutil.rmtree(gone)
    play("-m", "seed=5", "budget.rounds=1")
    runs = {run.name.split("-")[4]: run.state for run in statuses(tmp_path)}
    assert runs == {"s0": "finished", "s1": "waiting", "s5": "finished"}


def test_launchers_that_begin_together_all_add_their_runs(tmp_path: Path) -> None:
    adds = "add_runs(pathlib.Path(sys.argv[1]), sys.argv[2:])"
    script = f"import sys, pathlib; from calrun.folder.sweep_file import add_runs; {adds}"
    launchers = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), *(f"{launcher}-{run}" for run in range(5))])
        for launcher in range(5)
    ]
    assert [launcher.wait() for launcher in launchers] == [0] * 5
    expected = {f"{launcher}-{run}" for launcher in range(5) for run in range(5)}
    assert set(planned_names(tmp_path / SWEEP_FILE)) == expected
    assert [path.name for path in tmp_path.iterdir()] == [SWEEP_FILE]


def test_a_refused_job_has_failed_with_its_reason_until_it_begins(play: Callable[..., Any], tmp_path: Path) -> None:
    answer = play("-m", "acquisition=bald,entropy", "budget.rounds=1")
    assert answer.code == 2
    assert answer.out.splitlines()[-1] in ("2 runs: 1 failed  1 finished", "2 runs: 1 finished  1 failed")
    failed, finished = sorted(statuses(tmp_path), key=lambda run: run.state)
    assert (failed.state, finished.state) == ("failed", "finished")
    assert failed.note.startswith("exit 2: acquisition=Bald wants a network with dropout")
    assert f"{failed.name}  failed  {failed.note}" in answer.out
    assert not (tmp_path / "outputs" / "default" / failed.name).exists()
    Record(tmp_path / "outputs" / "default" / failed.name, {"run_id": "0"}).close()
    assert sorted(run.state for run in statuses(tmp_path)) == ["finished", "interrupted"]
    assert not list(tmp_path.rglob(".refused"))


def test_the_same_run_twice_in_a_parallel_multirun_is_played_once(small: tuple[str, ...], tmp_path: Path) -> None:
    """In processes of their own: those of this one may have a server with another test's standard output."""
    parallel = ("seed=0,0", "hydra/launcher=processes", "hydra.launcher.n_jobs=2", f"paths.outputs={tmp_path}")
    command = [sys.executable, "-m", "calrun.cli", "run", "-m", *small, *parallel]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended
    assert ended.stdout.count("round  3/3") == 1
    assert ended.stdout.splitlines()[-1] == "1 run: 1 finished"


def test_a_run_waits_for_itself_in_another_job_of_its_multirun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(SWEEP_VARIABLE, "x")
    first = Record(tmp_path, {"run_id": "0"})
    threading.Timer(0.7, first.close).start()
    Record(tmp_path, {"run_id": "0"}).close()
    assert "is being played by another job of this multirun" in capsys.readouterr().err
    third = Record(tmp_path, {"run_id": "0"})
    monkeypatch.setenv(SWEEP_VARIABLE, "y")
    with pytest.raises(ValueError, match="another process is running"):
        Record(tmp_path, {"run_id": "0"})
    third.close()


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
