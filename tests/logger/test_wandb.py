"""Weights & Biases without an account: one offline run for each run folder."""

import json
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from wandb.proto import wandb_internal_pb2

from calrun.logger.wandb import ID

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
    """Returns an offline run's id, the values it was given one after the other, and its group and job type."""
    run_id, history, about = "", list[dict[str, Any]](), dict[str, str]()
    for record in ended(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run_id, about = record.run.run_id, {"group": record.run.run_group, "job_type": record.run.job_type}
        if kind == "history":
            items = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            history.append(items)
    return run_id, history, about


def test_each_run_of_a_multirun_has_one_offline_run_of_its_own(play: Callable[..., Any], tmp_path: Path) -> None:
    answer = play("-m", "logger=wandb", "method=al,cal_er", "budget.rounds=2")
    assert answer.code == 0, answer
    folders = [path.parent for path in tmp_path.rglob("rounds.jsonl")]
    assert len(folders) == 2
    for folder in folders:
        (path,) = offline_runs(folder)
        run_id, history, about = said(path)
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
    assert [row["round"] for row in history] == [row["_step"] for row in history] == [1, 2, 3]


def test_two_folders_of_one_configuration_are_two_runs(play: Callable[..., Any], tmp_path: Path) -> None:
    for name in ("first", "second", "a/very very long näme of an experiment, longer than W&B takes: 70 #"):
        assert play("logger=wandb", "budget.rounds=1", f"experiment_name='{name}'").code == 0
    assert play("logger=wandb", "budget.rounds=1", f"paths.outputs={tmp_path / 'elsewhere'}").code == 0
    ids = {said(path)[0] for path in tmp_path.rglob("run-*.wandb")}
    assert len(ids) == 4
    assert all(ID.fullmatch(each) for each in ids)


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
