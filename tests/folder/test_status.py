"""What `calrun status` says of run folders."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from calrun.folder.claim import Claim, Holder
from calrun.folder.status import RunStatus, runs_below
from calrun.folder.sweep_file import SWEEP_FILE, note_refusal

FIT = {
    "state": "running",
    "round": 2,
    "rounds": 5,
    "phase": "fit",
    "epoch": 3,
    "epochs": 40,
    "updated": "2026-01-01T00:00:00+00:00",
}
DONE = {"state": "finished", "round": 5, "rounds": 5, "accuracy": 0.5}


def statuses(folder: Path) -> list[RunStatus]:
    return [*runs_below(folder).values()]


def run_with(folder: Path, said: dict[str, Any], last_round: int = 0) -> Path:
    """A run folder as a process would have left it."""
    folder.mkdir(parents=True)
    (folder / "status.json").write_text(json.dumps(said))
    lines = [
        {"round": t, "rounds": 5, "labelled": 9, "test": {"clean": {"accuracy": t / 10}}, "seconds": {"fit": 1.0}}
        for t in range(1, last_round + 1)
    ]
    (folder / "rounds.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_a_run_is_running_as_long_as_somebody_holds_it(tmp_path: Path) -> None:
    folder = run_with(tmp_path / "run", FIT)
    claim = Claim(folder)
    (run,) = statuses(tmp_path)
    assert (run.state, run.round, run.note) == ("running", "2/5 fit epoch 3/40", "")
    claim.require()
    claim.release()
    (run,) = statuses(tmp_path)
    assert (run.state, run.round, run.note) == ("interrupted", "2/5 fit epoch 3/40", "it has stopped")


def test_a_run_that_died_by_a_signal_is_told_from_one_that_has_stopped(tmp_path: Path) -> None:
    folder = run_with(tmp_path / "run", FIT)
    script = (
        "import os, sys, pathlib; from calrun.folder.claim import Claim; Claim(pathlib.Path(sys.argv[1])); os.abort()"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(folder)], check=False)
    assert ended.returncode == -signal.SIGABRT
    (run,) = statuses(tmp_path)
    assert run.state == "interrupted"
    assert re.fullmatch(r"process \d+ on \S+ is gone", run.note)


def test_a_run_elsewhere_is_running_until_its_heartbeat_is_stale(tmp_path: Path) -> None:
    folder = run_with(tmp_path / "run", FIT)
    claim = asdict(replace(Holder.this_process(), machine="elsewhere 1 2"))
    (folder / ".claim-3").write_text(json.dumps(claim))
    assert statuses(tmp_path)[0].state == "running"
    os.utime(folder / ".claim-3", (1e9, 1e9))
    (run,) = statuses(tmp_path)
    assert run.state == "interrupted"
    assert run.note == f"last heartbeat 2001-09-09T01:46:40+00:00 from process {os.getpid()} on elsewhere"


def test_a_run_that_is_begun_again_is_running_before_it_says_so(tmp_path: Path) -> None:
    folder = run_with(tmp_path / "run", FIT | {"state": "failed", "error": "no space left"})
    claim = Claim(folder)
    assert statuses(tmp_path)[0].state == "running"
    claim.release()
    assert statuses(tmp_path)[0].state == "failed"


def test_a_run_killed_after_its_last_commit_is_finished(tmp_path: Path) -> None:
    run_with(tmp_path / "run", FIT | {"round": 5, "phase": "commit"}, last_round=5)
    (run,) = statuses(tmp_path)
    assert (run.state, run.note, run.round) == ("finished", "50.00%", "5/5")


def test_a_run_of_more_rounds_than_the_last_time_is_not_finished(tmp_path: Path) -> None:
    run_with(tmp_path / "run", FIT | {"round": 6, "rounds": 7}, last_round=5)
    (run,) = statuses(tmp_path)
    assert (run.state, run.round) == ("interrupted", "6/7 fit epoch 3/40")


def test_a_failed_run_says_why_and_with_which_code_and_where_its_log_is(tmp_path: Path) -> None:
    said = {"state": "failed", "error": "no space left", "exit_code": 2, "logs": [{"job": "7", "stderr": "/l/7.err"}]}
    run_with(tmp_path / "a", FIT | said)
    run_with(tmp_path / "b", DONE, last_round=5)
    assert [(run.name, run.state, run.note) for run in statuses(tmp_path)] == [
        ("a", "failed", "exit 2: no space left; log: /l/7.err"),
        ("b", "finished", "50.00%"),
    ]


def test_runs_that_a_multirun_has_yet_to_begin_are_waiting(tmp_path: Path) -> None:
    run_with(tmp_path / "experiment" / "a", FIT)
    (tmp_path / "experiment" / SWEEP_FILE).write_text(json.dumps({"runs": ["a", "b"]}))
    assert [(run.name, run.state) for run in statuses(tmp_path)] == [
        ("a", "interrupted"),
        ("b", "waiting"),
    ]


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no run"):
        statuses(tmp_path)
    with pytest.raises(ValueError, match="there is no folder"):
        statuses(tmp_path / "nothing")


def test_the_command_shows_a_table_and_counts(calrun: Callable[..., Any], tmp_path: Path) -> None:
    name = "fmnist-resnet18-cal_sds2-base_balanced-s12345-0123abcd"
    run_with(tmp_path / "runs" / name, FIT)
    run_with(tmp_path / "runs" / "b", DONE, last_round=5)
    answer = calrun("status", str(tmp_path / "runs"))
    assert answer.code == 0
    assert name in answer.out  # however narrow the terminal
    assert answer.out.splitlines()[-1] == "1 finished  1 interrupted"
    assert len(answer.out.splitlines()) == 4


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"state": "runn'])
def test_a_damaged_status_is_told_from_what_is_committed(tmp_path: Path, text: str) -> None:
    (run_with(tmp_path / "a", FIT, last_round=5) / "status.json").write_text(text)
    (run_with(tmp_path / "b", FIT, last_round=2) / "status.json").write_text(text)
    (run_with(tmp_path / "c", FIT, last_round=2) / "status.json").unlink()
    (run_with(tmp_path / "d", FIT) / "rounds.jsonl").write_text(text or "{")
    run_with(tmp_path / "e", DONE, last_round=5)
    runs = statuses(tmp_path)
    assert [(run.name, run.state, run.round) for run in runs] == [
        ("a", "finished", "5/5"), ("b", "interrupted", "2/5"), ("c", "interrupted", "2/5"), ("d", "damaged", ""),
        ("e", "finished", "5/5"),
    ]  # fmt: skip
    assert runs[0].note == "50.00%; status.json is damaged"
    assert runs[2].note == "it has stopped; status.json is missing"
    assert f"{tmp_path}/d/rounds.jsonl is damaged (line 1" in runs[3].note


def test_folders_that_cannot_be_read_hide_no_others(tmp_path: Path) -> None:
    (tmp_path / "a" / "status.json").mkdir(parents=True)
    (run_with(tmp_path / "b", FIT) / "rounds.jsonl").unlink()
    (tmp_path / "b" / "rounds.jsonl").mkdir()
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "config.yaml").write_text("")
    run_with(tmp_path / "d", DONE, last_round=5)
    assert [(run.name, run.state) for run in statuses(tmp_path)] == [
        ("b", "damaged"), ("c", "interrupted"), ("d", "finished"),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["runs", "[]", '{"runs": 3}', '{"runs": [["a"]]}'])
def test_a_damaged_plan_of_a_multirun_is_named_and_hides_no_run(tmp_path: Path, text: str) -> None:
    run_with(tmp_path / "a", DONE, last_round=5)
    (tmp_path / SWEEP_FILE).write_text(text)
    runs = statuses(tmp_path)
    assert [(run.name, run.state) for run in runs] == [("a", "finished"), (SWEEP_FILE, "damaged")]
    assert f"{tmp_path}/{SWEEP_FILE} is damaged" in runs[1].note


def test_links_are_followed_and_lead_to_a_run_once(tmp_path: Path) -> None:
    run_with(tmp_path / "scratch" / "run", DONE, last_round=5)
    (tmp_path / "outputs" / "first").mkdir(parents=True)
    (tmp_path / "outputs" / "first" / "run").symlink_to(tmp_path / "scratch" / "run")
    (tmp_path / "outputs" / "again").symlink_to(tmp_path / "scratch")
    (tmp_path / "outputs" / "round").symlink_to(tmp_path / "outputs")
    (tmp_path / "outputs" / "nowhere").symlink_to(tmp_path / "nothing")
    assert [run.name for run in statuses(tmp_path / "outputs")] == ["run"]


def test_a_refused_run_has_failed_until_it_begins(tmp_path: Path) -> None:
    (tmp_path / SWEEP_FILE).write_text(json.dumps({"runs": ["a", "b"]}))
    for name in "acde":
        note_refusal(tmp_path / name, f"{name} is impossible", 2)
    run_with(tmp_path / "c", FIT)
    run_with(tmp_path / "d", DONE, last_round=5)
    claim = Claim(run_with(tmp_path / "e", FIT))
    assert {run.name: (run.state, run.note) for run in statuses(tmp_path)} == {
        "a": ("failed", "exit 2: a is impossible"),
        "b": ("waiting", ""),
        "c": ("failed", "exit 2: c is impossible"),  # it had begun, and could not go on
        "d": ("finished", "50.00%"),
        "e": ("running", "another start was refused, exit 2: e is impossible"),
    }
    assert statuses(tmp_path / "c")[0].state == "failed"
    (tmp_path / "e" / "status.json").write_text(json.dumps(FIT | {"updated": "2999-01-01T00:00:00+00:00"}))
    assert statuses(tmp_path / "e")[0].note == "another start was refused, exit 2: e is impossible"  # it speaks on
    claim.release()
    run_with(tmp_path / "later", FIT)
    (tmp_path / "c" / "status.json").write_text(json.dumps(FIT | {"updated": "2999-01-01T00:00:00+00:00"}))
    assert statuses(tmp_path / "c")[0].state == "interrupted"


def test_the_log_of_a_job_that_did_not_finish_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = {"job": "7", "attempt": 0, "stdout": "/logs/7_0_log.out", "stderr": "/logs/7_0_log.err"}
    monkeypatch.setattr("calrun.folder.sweep_file.this_log", lambda: log)
    note_refusal(tmp_path / "refused", "this is impossible", 2)
    run_with(tmp_path / "cancelled", FIT | {"logs": [{"job": "6"}, {"job": "7", "stderr": "/logs/7_0_log.err"}]})
    notes = {run.name: run.note for run in statuses(tmp_path)}
    assert notes["refused"] == "exit 2: this is impossible; log: /logs/7_0_log.err"
    assert notes["cancelled"].endswith("; log: /logs/7_0_log.err")


def test_names_are_shown_as_they_are(calrun: Callable[..., Any], tmp_path: Path) -> None:
    for name in ("a[b]", "[red]c", ":smile:", os.fsdecode(b"\xff")):
        run_with(tmp_path / "runs" / name, FIT | {"state": "failed", "error": "[/no] tag"})
    answer = calrun("status", str(tmp_path / "runs"))
    assert answer.code == 0, answer
    assert all(name in answer.out for name in ("a[b]", "[red]c", ":smile:", "\\udcff", "[/no] tag"))


BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in "torch pytorch_lightning pandas sklearn matplotlib timm torchmetrics".split():
            raise ImportError(f"{name} is not for calrun status")
sys.meta_path.insert(0, Blocked())
from calrun.cli import main
main()
"""


def test_the_command_does_without_the_training_stack(tmp_path: Path) -> None:
    run_with(tmp_path / "a", FIT)
    command = [sys.executable, "-c", BLOCKED, "status", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[-1] == "1 interrupted"


FAULTY = """
from calrun.method.fit.stop import FixedEpochs

class Faulty(FixedEpochs):
    def reason(self, history):
        return {}["accuracy of nobody"]
"""


def test_a_fault_is_named_by_its_kind_too(play: Callable[..., Any], calrun: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "faulty.py").write_text(FAULTY)
    answer = play("stop=fixed_epochs", "stop._target_=faulty.Faulty")
    assert answer.code == 1
    assert "Traceback" in answer.err
    assert "exit 1: KeyError: 'accuracy of nobody'" in calrun("status", str(tmp_path / "outputs")).out
