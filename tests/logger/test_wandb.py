"""Weights & Biases without an account: one offline run for each run folder."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from wandb.proto import wandb_internal_pb2

from calrun.logger.mirror import ID

BLOCK = 1 << 15
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def away_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No account, no settings of the machine's user."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_DIR", "WANDB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


def offline_runs(folder: Path) -> list[Path]:
    """The files of the offline runs in a run folder, in the order of their making."""
    return sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))


def records(path: Path) -> Iterator[bytes]:
    """The records of a .wandb file: LevelDB's log format (blocks of 32 KiB; crc, length, kind) after 7 bytes."""
    data, position, parts = path.read_bytes(), 7, b""
    while position + 7 <= len(data):
        if BLOCK - position % BLOCK < 7:
            position += BLOCK - position % BLOCK
        length, kind = struct.unpack_from("<HB", data, position + 4)
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


def ended(path: Path) -> list[wandb_internal_pb2.Record]:
    """Returns the records of a run that has ended; another process of W&B's writes them, a moment later at times."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = []
        for data in records(path):
            found.append(wandb_internal_pb2.Record())
            found[-1].ParseFromString(data)
        if any(record.WhichOneof("record_type") == "exit" for record in found):
            return found
        time.sleep(0.1)
    raise AssertionError(f"{path} has no end after 30 s")


def said(path: Path) -> tuple[str, list[dict[str, Any]], dict[str, str]]:
    """Returns an offline run's id, the rows it was given one after the other, and its group and job type."""
    run_id, history, about = "", list[dict[str, Any]](), dict[str, str]()
    for record in ended(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run_id, about = record.run.run_id, {"group": record.run.run_group, "job_type": record.run.job_type}
        if kind == "history":
            items = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            history.append(items)
    return run_id, history, about


def rounds_in(path: Path) -> list[dict[str, Any]]:
    """The rows of rounds."""
    return [row for row in said(path)[1] if "labelled" in row]


def curve_in(path: Path, number: int) -> list[tuple[int, float]]:
    """The epochs and losses of a round's curve."""
    name = f"round_{number}"
    return [(row[f"{name}/epoch"], row[f"{name}/train_loss"]) for row in said(path)[1] if f"{name}/epoch" in row]


def artifacts_in(path: Path) -> dict[str, set[str]]:
    """The files of each kind of artifact."""
    found = [record.artifact for record in ended(path) if record.WhichOneof("record_type") == "artifact"]
    return {each.type: {entry.path for entry in each.manifest.contents} for each in found}


def test_each_run_of_a_multirun_has_one_offline_run_of_its_own(play: Callable[..., Any], tmp_path: Path) -> None:
    answer = play("-m", "logger=wandb", "method=al,cal_er", "budget.rounds=2")
    assert answer.code == 0, answer
    folders = [path.parent for path in tmp_path.rglob("rounds.jsonl")]
    assert len(folders) == 2
    for folder in folders:
        (path,) = offline_runs(folder)
        run_id, _, about = said(path)
        history = rounds_in(path)
        lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
        assert run_id.startswith(f"default-{folder.name.rsplit('-', 1)[1]}-")
        assert [row["labelled"] for row in history] == [20, 40]
        accuracies = [line["test"]["test"]["accuracy"] for line in lines]
        assert [row["test/test/accuracy"] for row in history] == accuracies
        assert about["job_type"] == folder.name.split("-")[2]
        assert "s0" not in about["group"]


def test_a_resumed_run_keeps_its_id_and_each_round_is_told_once(
    play: Callable[..., Any], run_folder: Callable[[], Path]
) -> None:
    play("logger=wandb", "record.keep_states=true")
    folder = run_folder()
    (before,) = offline_runs(folder)
    first = said(before)[0]
    lines = (folder / "rounds.jsonl").read_text().splitlines(keepends=True)
    (folder / "rounds.jsonl").write_text("".join(lines[:2]))
    assert play("logger=wandb").code == 0
    (path,) = offline_runs(folder)
    run_id, history, _ = said(path)
    assert run_id == first
    assert [row["round"] for row in rounds_in(path)] == [1, 2, 3]
    assert [row["_step"] for row in history] == [*range(9)]  # two epochs and a line for each round


def test_two_folders_of_one_configuration_are_two_runs(play: Callable[..., Any], tmp_path: Path) -> None:
    for name in ("first", "second", "a/very very long näme of an experiment, longer than W&B takes: 70 #"):
        assert play("logger=wandb", "budget.rounds=1", f"experiment_name='{name}'").code == 0
    assert play("logger=wandb", "budget.rounds=1", f"paths.outputs={tmp_path / 'elsewhere'}").code == 0
    ids = {said(path)[0] for path in tmp_path.rglob("run-*.wandb")}
    assert len(ids) == 4
    assert all(ID.fullmatch(each) for each in ids)


def test_curves_have_their_epochs_as_axis_and_rounds_their_labels(
    play: Callable[..., Any], run_folder: Callable[[], Path]
) -> None:
    assert play("logger=wandb", "budget.rounds=2").err == ""
    (path,) = offline_runs(run_folder())
    metrics = [record.metric for record in ended(path) if record.WhichOneof("record_type") == "metric"]
    axes = {each.name or each.glob_name: each.step_metric for each in metrics}
    assert axes.pop("*") == "labelled"
    assert {name: axis for name, axis in axes.items() if axis} == {
        f"round_{number}/{name}": f"round_{number}/epoch"
        for number in (1, 2)
        for name in ("train_loss", "train_accuracy")
    }
    assert [epoch for epoch, _ in curve_in(path, 2)] == [1, 2]


def test_the_picks_are_an_artifact_of_a_finished_run(
    play: Callable[..., Any], run_folder: Callable[[], Path], calrun: Callable[..., Any]
) -> None:
    play("logger=wandb", "budget.rounds=2")
    (path,) = offline_runs(run_folder())
    assert artifacts_in(path) == {"picks": {"picks.csv", "metrics.csv", "rounds.jsonl", "config.yaml"}}
    for _ in range(2):  # the second takes the first one's place
        assert calrun("report", str(run_folder().parent), "--log").code == 0
    (sent,) = offline_runs(run_folder().parent / "report")
    assert {"report.html", "runs.csv"} <= artifacts_in(sent)["report"]
    assert said(sent)[2]["job_type"] == "report"


KILLED = """
import os, psutil, signal
from pathlib import Path
from calrun.method.fit.stop import FixedEpochs

class Killed(FixedEpochs):
    def reason(self, history):
        if len(history) == 3 and (mark := Path({mark!r})).exists() and list(mark.parent.rglob("rounds.jsonl")):
            mark.unlink()
            {does}
        return super().reason(history)
"""
RUN = ("logger=wandb", "stop=fixed_epochs", "trainer.max_epochs=4", "trainer.checkpoint_every_seconds=0")


def written(folder: Path, name: str, does: str) -> str:
    """Writes a stopping rule that does something once, in the third epoch of round 2; returns the word for it."""
    (folder / "mark").touch()
    (folder / f"{name}.py").write_text(KILLED.format(mark=str(folder / "mark"), does=does))
    return f"stop._target_={name}.Killed"


def test_a_run_killed_within_a_round_is_told_once(
    small: tuple[str, ...], run_folder: Callable[[], Path], tmp_path: Path
) -> None:
    rule = written(tmp_path, "killed", "os.kill(os.getpid(), signal.SIGKILL)")
    words = ("run", *small, *RUN, rule, f"paths.outputs={tmp_path / 'outputs'}")
    outside = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}  # that of this process
    command = [sys.executable, "-m", "calrun", *words]
    codes = [subprocess.run(command, cwd=tmp_path, env=outside).returncode for _ in range(2)]
    assert codes == [-signal.SIGKILL, 0]
    (path,) = offline_runs(run_folder())
    assert [row["round"] for row in rounds_in(path)] == [1, 2, 3]
    for number in (1, 2, 3):
        assert [epoch for epoch, _ in curve_in(path, number)] == [1, 2, 3, 4]


def test_a_run_goes_on_without_wandb_and_is_sent_whole_later(
    play: Callable[..., Any], run_folder: Callable[[], Path], tmp_path: Path
) -> None:
    does = "[each.kill() for each in psutil.Process().children() if 'wandb-core' in each.name()]"
    rule = written(tmp_path, "without", does)
    first = play(*RUN, rule)
    assert first.code == 0
    assert "finished" in first.out
    (line,) = first.err.splitlines()
    assert "logger=wandb takes no more" in line
    assert play(*RUN, rule).err == ""
    (path,) = offline_runs(run_folder())
    assert [row["round"] for row in rounds_in(path)] == [1, 2, 3]
    assert all([epoch for epoch, _ in curve_in(path, number)] == [1, 2, 3, 4] for number in (1, 2, 3))
    assert set(artifacts_in(path)) == {"picks"}
    assert not (run_folder() / "logger-open").exists()


def test_a_server_that_does_not_answer_stops_no_run(
    play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, run_folder: Callable[[], Path]
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "1")
    answer = play("logger=wandb", "logger.mode=online", "budget.rounds=1")
    assert "finished" in answer.out
    (line,) = answer.err.splitlines()
    assert line.startswith("calrun: logger=wandb takes no more")
    assert (run_folder() / "logger-open").exists()


def test_an_extended_run_is_sent_with_its_lines_as_they_are_now(
    play: Callable[..., Any], run_folder: Callable[[], Path]
) -> None:
    for rounds in (2, 3):
        assert play("logger=wandb", f"budget.rounds={rounds}", "acquisition=badge").code == 0
    (path,) = offline_runs(run_folder())
    lines = [json.loads(line) for line in (run_folder() / "rounds.jsonl").read_text().splitlines()]
    assert [row["rounds"] for row in rounds_in(path)] == [3, 3, 3]
    selected = [line["seconds"].get("select") for line in lines]
    assert [row.get("seconds/select") for row in rounds_in(path)] == selected
    assert selected[1] is not None


FAILING = """
import os, signal
from calrun.method.fit.stop import FixedEpochs

class Failing(FixedEpochs):
    def reason(self, history):
        if len(history) == 2:
            {does}
        return super().reason(history)
"""


@pytest.mark.parametrize(
    ("does", "code"),
    [("pass", 0), ("raise ValueError('mine')", 2), ("raise AssertionError", 1), ("raise KeyboardInterrupt", 130)],
)
def test_how_a_run_ended_is_told(
    does: str, code: int, play: Callable[..., Any], run_folder: Callable[[], Path], tmp_path: Path
) -> None:
    (tmp_path / f"ending_{code}.py").write_text(FAILING.format(does=does))
    words = ("stop=fixed_epochs", f"stop._target_=ending_{code}.Failing", "budget.rounds=1")
    assert play("logger=wandb", *words).code == code
    (path,) = offline_runs(run_folder())
    (ending,) = [record.exit for record in ended(path) if record.WhichOneof("record_type") == "exit"]
    assert ending.exit_code == code


def test_a_run_without_a_logger_is_the_same_run(play: Callable[..., Any], run_folder: Callable[[], Path]) -> None:
    play("logger=wandb", "budget.rounds=1")
    assert "finished" in play("budget.rounds=1").out
    assert run_folder().exists()


def test_online_without_an_account_is_refused_with_the_way_out(
    refusal: Callable[..., str], small: tuple[str, ...]
) -> None:
    line = refusal("run", *small, "logger=wandb", "logger.mode=online")
    assert "logger=wandb cannot begin a run in mode online" in line
    assert "set logger.mode=offline" in line
