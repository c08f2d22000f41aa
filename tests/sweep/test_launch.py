"""The launcher of processes: each run has one of its own, and what becomes of it is told, whatever that is."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calrun.folder.claim import Claim
from calrun.folder.deaths import DEATHS, Deaths
from calrun.folder.status import runs_below

CODE = """
import os, signal, time
from calrun.method.fit.stop import FixedEpochs
from calrun.method.objective import CrossEntropy

class Dies(FixedEpochs):
    "At the end of its first epoch, as often as the file `lives` allows."
    def reason(self, history):
        if os.environ.get("DIES") == "always" or not os.path.exists("died"):
            open("died", "w").close()
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().reason(history)

class FullOnce(FixedEpochs):
    def reason(self, history):
        if not os.path.exists("full"):
            open("full", "w").close()
            raise OSError(28, "No space left on device", "state-1.pt")
        return super().reason(history)

class Wrong(FixedEpochs):
    def reason(self, history):
        raise KeyError("a fault of the class")

class Slow(CrossEntropy):
    def __call__(self, current, replay):
        time.sleep(0.05)
        return super().__call__(current, replay)
"""
PARALLEL = ("hydra/launcher=processes", "hydra.launcher.n_jobs=2")
SLOW = ("method.objective._target_=dying.Slow", "stop=fixed_epochs")


@pytest.fixture
def multirun(play: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Plays a multirun of the small run in processes, launched by this one, with the classes above."""
    (tmp_path / "dying.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    return lambda *words: play("-m", *PARALLEL, *words)


@pytest.fixture
def launched(small: tuple[str, ...], tmp_path: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Starts the same in a process of its own, which can be killed."""
    (tmp_path / "dying.py").write_text(CODE)

    def start(*words: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "calrun.cli", "run", "-m", *small, *PARALLEL, *words]
        own = {"PYTHONPATH": f"{Path(__file__).parents[2]}:{os.environ.get('PYTHONPATH', '')}"}
        return subprocess.Popen(
            command, cwd=tmp_path, env={**os.environ, **own}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    return start


def states(folder: Path) -> list[str]:
    return sorted(run.state for run in runs_below(folder).values())


def test_a_run_whose_process_dies_goes_on_and_its_neighbour_does_not_notice(
    multirun: Callable[..., Any], tmp_path: Path, result_of: Callable[[Path], Any]
) -> None:
    words = ("stop=fixed_epochs", "seed=0,1")
    assert multirun(*words, "experiment_name=unbroken").code == 0
    broken = multirun(*words, "stop._target_=dying.Dies", "experiment_name=broken")
    assert broken.code == 0, broken
    (told,) = broken.err.splitlines()
    assert re.fullmatch(r"calrun: \S+-s[01]-\S+  its process was killed by SIGSEGV at 1/3 fit.*; it goes on.*", told)
    assert broken.out.splitlines()[-1] == "2 runs: 2 finished"
    for seed in (0, 1):
        one, other = (next(tmp_path.glob(f"outputs/{name}/*-s{seed}-*")) for name in ("unbroken", "broken"))
        assert result_of(one) == result_of(other)
    assert not list(tmp_path.rglob(DEATHS))


def test_a_run_that_dies_twice_in_one_place_is_not_started_again_until_somebody_asks(
    multirun: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("stop=fixed_epochs", "stop._target_=dying.Dies", "seed=0")
    monkeypatch.setenv("DIES", "always")
    ended = multirun(*words)
    assert ended.code == 1
    goes_on, reason = ended.err.splitlines()
    assert "it goes on from there" in goes_on
    assert reason.startswith("calrun: digits-mlp-al-entropy-s0-"), reason
    assert "its process has died twice in the same place (1/3 fit" in reason
    assert "failed  exit 1: its process has died twice" in ended.out
    monkeypatch.delenv("DIES")
    assert multirun(*words).code == 0  # the same command, and this time it lives
    assert states(tmp_path / "outputs") == ["finished"]


def test_a_fault_and_a_mistake_are_told_once_and_stop_no_other_run(
    multirun: Callable[..., Any], tmp_path: Path
) -> None:
    ended = multirun("stop=fixed_epochs", "stop._target_=dying.Wrong", "budget.rounds=1")
    assert (ended.code, ended.err.count("it goes on from there")) == (1, 0)
    assert "failed  exit 1: KeyError: 'a fault of the class'" in ended.out
    ended = multirun("acquisition=bald,entropy", "budget.rounds=1", "experiment_name=mistake")
    assert ended.code == 2
    assert re.fullmatch(r"calrun: \S+-bald-\S+: acquisition=Bald wants a network with dropout.*\n", ended.err), ended
    assert states(tmp_path / "outputs/mistake") == ["failed", "finished"]


def test_a_run_that_a_full_disk_has_stopped_goes_on(
    multirun: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calrun.sweep.supervisor.AGAIN_SECONDS", 0.1)
    ended = multirun("stop=fixed_epochs", "stop._target_=dying.FullOnce", "budget.rounds=1")
    assert ended.code == 0, ended
    assert "stopped by its machine" in ended.err
    assert states(tmp_path / "outputs") == ["finished"]


def test_finished_runs_are_not_started_and_held_ones_are_left_alone(
    multirun: Callable[..., Any], tmp_path: Path
) -> None:
    assert multirun("seed=0,1", "budget.rounds=1").code == 0
    again = multirun("seed=0,1", "budget.rounds=1")
    assert (again.code, again.err, again.out.count("moves it aside and plays anew")) == (0, "", 2)
    for environment in tmp_path.rglob("environment.json"):
        assert len(json.loads(environment.read_text())["attempts"]) == 1
    claim = Claim(next(tmp_path.glob("outputs/default/*-s1-*")))
    held = multirun("seed=0,1", "budget.rounds=2")
    claim.release()
    assert held.code == 2
    assert "another process is running" in held.err
    rounds = {
        path.parent.name.split("-")[4]: len(path.read_text().splitlines()) for path in tmp_path.rglob("rounds.jsonl")
    }
    assert rounds == {"s0": 2, "s1": 1}


@pytest.mark.parametrize(
    "signum", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM, signal.SIGKILL]
)
def test_runs_end_with_their_launcher(launched: Callable[..., Any], tmp_path: Path, signum: int) -> None:
    launcher = launched(*SLOW, "trainer.max_epochs=1000", "seed=0,1")
    while len(list(tmp_path.glob("outputs/default/*/status.json"))) < 2:
        assert launcher.poll() is None
        time.sleep(0.1)
    pids = [json.loads(path.read_text())["pid"] for path in tmp_path.glob("outputs/default/*/status.json")]
    launcher.send_signal(signum)
    _, err = launcher.communicate(timeout=30)
    assert launcher.returncode == (-signum if signum == signal.SIGKILL else 128 + signum)
    assert len(err.splitlines()) == (0 if signum == signal.SIGKILL else 1), err
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert states(tmp_path / "outputs") == ["interrupted", "interrupted"]


def test_pictures_are_decoded_by_workers_of_the_run(calrun: Callable[..., Any], pictures: Path, tmp_path: Path) -> None:
    words = ("dataset=image_folder", f"dataset.root={pictures}", "model=mlp", "trainer=cpu", "trainer.max_epochs=1")
    size = ("dataset.picture.size=8", "dataset.picture.resize=8", "dataset.num_workers=2")
    ended = calrun("run", "-m", *PARALLEL, *words, *size, "budget=counts", "budget.start=8", "budget.rounds=1")
    assert ended.code == 0, ended
    assert states(tmp_path / "outputs") == ["finished"]


def test_deaths_are_counted_by_place_and_forgotten_on_demand(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    deaths = Deaths(folder)
    assert deaths.note("killed by SIGKILL") == ""
    folder.mkdir()
    (folder / "status.json").write_text(json.dumps({"state": "running", "round": 2, "rounds": 5, "phase": "score"}))
    assert deaths.note("killed by SIGKILL") == ""
    (folder / "status.json").write_text(json.dumps({"state": "running", "round": 3, "rounds": 5, "phase": "fit"}))
    assert deaths.note("killed by SIGKILL") == ""
    assert "twice in the same place (3/5 fit; killed by SIGKILL)" in Deaths(folder).note("killed by SIGKILL")
    Deaths(folder).forget()
    assert deaths.note("killed by SIGKILL") == ""
    deaths.begin()
    assert Deaths(folder).was_playing()
    deaths.end()
    assert not Deaths(folder).was_playing()
    assert "twice" in deaths.note("killed by SIGKILL")  # the end of a job forgets no death
    deaths.forget()
    deaths.begin()
    deaths.end()
    assert not (tmp_path / ".deaths").exists()  # of a run that nothing has happened to


def test_a_claim_is_no_reason_to_wait_for_a_folder_that_is_not_there(tmp_path: Path) -> None:
    from calrun.folder.claim import is_held

    assert not is_held(tmp_path / "nothing")
    claim = Claim(tmp_path)
    assert is_held(tmp_path)
    claim.release()
