"""The command, typed as its user types it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calrun import __version__
from calrun.places import options

Typed = Callable[..., Any]


def test_a_run_says_where_it_is_and_one_aligned_line_a_round(play: Typed, run_folder: Callable[[], Path]) -> None:
    answer = play("method=cal_er")
    begun, *lines, ended = answer.out.splitlines()
    folder = str(run_folder())
    assert begun == f"{folder}  on cpu  3 rounds  20 to 60 labels"
    assert ended.startswith(f"{folder}  finished  accuracy ")
    assert (answer.code, answer.err, len(lines)) == (0, "", 3)
    for number, line in enumerate(lines, start=1):
        assert line.startswith("digits-mlp-cal_er-entropy-s0-")
        assert f"round  {number}/3   labels {20 * number:>7}  accuracy" in line
        assert line.endswith("stop: max epochs")
    columns = [[i for i in range(1, len(line)) if line[i] != " " and line[i - 1] == " "] for line in lines]
    assert len(lines[0]) == len(lines[1]) == len(lines[2])
    assert len(columns[0]) == len(columns[1]) == len(columns[2])


def test_the_same_command_again_answers_at_once(play: Typed, run_folder: Callable[[], Path]) -> None:
    play()
    before = {path.name: path.stat().st_mtime_ns for path in run_folder().iterdir()}
    answer = play()
    assert answer.code == 0
    assert answer.out.startswith(f"{run_folder()}  finished  accuracy ")
    assert "--fresh moves it aside and plays anew" in answer.out
    assert {path.name: path.stat().st_mtime_ns for path in run_folder().iterdir()} == before


PRESSED = """
import os, signal
from pathlib import Path
from calrun.method.fit.stop import FixedEpochs

class Pressed(FixedEpochs):
    def reason(self, history):
        flag = Path(__file__).with_name("pressed")
        if not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGINT)
        return super().reason(history)
"""


def test_ctrl_c_in_a_fit_ends_in_one_sentence_and_the_same_command_goes_on(play: Typed, tmp_path: Path) -> None:
    (tmp_path / "pressed_key.py").write_text(PRESSED)
    words = ("stop=fixed_epochs", "stop._target_=pressed_key.Pressed")
    before = signal.getsignal(signal.SIGINT)
    answer = play(*words)
    assert signal.getsignal(signal.SIGINT) == before
    assert (answer.code, answer.err) == (130, "calrun: interrupted; the same command goes on from here\n")
    again = play(*words)
    assert (again.code, again.out.count(" round ")) == (0, 3)


def test_options_of_hydra_may_stand_anywhere(play: Typed, calrun: Typed) -> None:
    for words in (["--cfg", "job", "seed=3"], ["method=al", "--cfg=job", "seed=3"], ["seed=3", "-c", "job"]):
        answer = calrun("run", *words)
        assert answer.code == 0, answer
        assert "seed: 3" in answer.out
    for words in (["--info", "seed=3"], ["seed=3", "--info", "searchpath", "method=al"]):
        answer = calrun("run", *words)
        assert answer.code == 0, answer
    assert play("budget.rounds=1", "-m", "seed=1,2").code == 0


def test_a_multirun_plays_every_combination_and_skips_what_is_finished(play: Typed, tmp_path: Path) -> None:
    play("method=al", "seed=1")
    answer = play("-m", "method=al,cal_er", "seed=0,1")
    assert answer.code == 0, answer
    assert len(list(tmp_path.glob("outputs/default/*/rounds.jsonl"))) == 4
    assert sum("--fresh" in line for line in answer.out.splitlines()) == 1  # was finished before
    assert answer.out.splitlines()[-1] == "4 runs: 4 finished"
    assert sum("round  3/3" in line for line in answer.out.splitlines()) == 3


def test_a_wrong_option_in_a_multirun_fails_before_the_first_run(refusal: Typed, small: tuple[str, ...]) -> None:
    line = refusal("run", "-m", *small, "method=al,banana")
    assert "method=banana is no option" in line


def test_one_impossible_run_of_a_multirun_does_not_stop_the_others(play: Typed, tmp_path: Path) -> None:
    answer = play("-m", "budget.start=20,900,30")
    assert answer.code == 2
    assert answer.err.splitlines()[-1].startswith("calrun: the budget wants 900 labels in round 1")
    assert "Traceback" not in answer.err
    assert len(list(tmp_path.glob("outputs/default/*/rounds.jsonl"))) == 2


def test_a_user_s_options_are_listed_beside_ours(calrun: Typed, tmp_path: Path) -> None:
    (tmp_path / "stop").mkdir()
    (tmp_path / "stop" / "mine.yaml").touch()
    assert "mine" in calrun("list", "stop", "--config-dir", str(tmp_path)).out
    answer = calrun("list", "--config-dir", str(tmp_path / "none"))
    assert (answer.code, "there is no" in answer.err) == (2, True)


def test_the_groups_and_their_options_are_listed_with_a_sentence_each(calrun: Typed) -> None:
    for words in (["list"], ["run", "--help"]):
        lines = calrun(*words).out.splitlines()
        for group, legal in options().items():
            start = lines.index(group) + 1
            for line, option in zip(lines[start:], legal, strict=False):
                name, sentence = line.split(maxsplit=1)
                assert name == option
                assert len(sentence) > 10
                assert not sentence.endswith(".")
    assert calrun("list", "stop").out.count("\n  early_stopping  Best validation accuracy") == 1
    assert f"  {'kmeans':<17}  Round 1 by k-means" in calrun("list", "initial").out


def test_hydras_own_flags_work(calrun: Typed) -> None:
    shown = calrun("run", "--cfg", "job", "method=cal_der").out
    assert "_target_: calrun.method.cal_der.DarkReplay" in shown
    assert "cal_der" in calrun("run", "--help").out


def test_the_version_is_said_by_both_ways_to_start(calrun: Typed) -> None:
    assert calrun("--version").out == f"calrun {__version__}\n"
    ended = subprocess.run([sys.executable, "-m", "calrun", "--version"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, f"calrun {__version__}\n"), ended


def test_all_commands_are_shown_without_one(calrun: Typed) -> None:
    shown = calrun("--help").out
    for command in ("run", "status", "report", "list"):
        assert command in shown


def test_a_users_own_class_is_found_beside_him(
    play: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_folder: Callable[[], Path]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lies_beside.py").write_text(
        "from calrun.acquisition.base import Acquisition\n"
        "class First(Acquisition):\n"
        "    def select(self, candidates, budget, rng):\n"
        "        return candidates.rows[:budget]\n"
    )
    answer = play("acquisition=random", "acquisition._target_=lies_beside.First", "budget.rounds=2")
    assert answer.code == 0, answer
    picks = (run_folder() / "picks.csv").read_text().splitlines()[21:]
    rows = [int(line.split(",")[2]) for line in picks]
    assert rows == sorted(rows)


@pytest.fixture
def started(tmp_path: Path, small: tuple[str, ...]) -> Callable[..., tuple[subprocess.Popen[str], Path]]:
    """Starts a run in a process of its own and waits until it is in its first fit; returns it and its folder."""

    def start() -> tuple[subprocess.Popen[str], Path]:
        long = ("trainer.max_epochs=100000", "stop=fixed_epochs", "trainer.checkpoint_every_seconds=0")
        command = [sys.executable, "-m", "calrun.cli", "run", f"paths.outputs={tmp_path / 'outputs'}", *small, *long]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        deadline = time.monotonic() + 120
        while not list(tmp_path.rglob("phase-0.ckpt")):
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        return process, next(tmp_path.rglob("status.json")).parent

    return start


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_ends_without_traceback_and_is_shown_as_interrupted(
    sent: signal.Signals, code: int, started: Typed, calrun: Typed
) -> None:
    process, folder = started()
    process.send_signal(sent)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert len(errors.splitlines()) == 1
    assert "the same command goes on from here" in errors
    assert (folder / "round-1" / "phase-0.ckpt").exists()
    assert json.loads((folder / "status.json").read_text())["state"] == "running"
    assert "1 interrupted" in calrun("status", str(folder)).out


@pytest.mark.slow
def test_a_second_process_on_a_running_folder_is_refused(started: Typed, calrun: Typed, refusal: Typed) -> None:
    process, folder = started()
    assert "1 running" in calrun("status", str(folder)).out
    words = process.args[4:]
    assert "another process is running" in refusal("run", *words)
    process.kill()
    process.communicate()


@pytest.mark.parametrize("words", [["list", "stop"], ["status", "outputs"], ["run", "--cfg", "job"]])
def test_a_folder_that_is_gone_is_said(
    words: list[str], refusal: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert "the folder that calrun was started in is gone; go to one that exists" in refusal(*words)


def test_a_file_beside_the_user_does_not_hide_a_module_of_python(tmp_path: Path) -> None:
    (tmp_path / "grp.py").write_text("raise SystemExit(3)")
    command = [sys.executable, "-P", "-c", "from calrun.cli import main; main()", "status", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (ended.returncode, "holds no run" in ended.stderr) == (2, True), ended
