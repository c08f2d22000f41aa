"""The run folder."""

import csv
import json
import os
import stat
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from omegaconf import DictConfig

from calrun.check.lightning import trainer_arguments
from calrun.experiment import build
from calrun.folder.claim import Holder, LostError
from calrun.folder.identity import run_id
from calrun.folder.record import Record
from calrun.loop import run
from calrun.method.fit.fit import Fitter

LINE = {
    "round", "rounds", "labelled", "labelled_fraction", "test", "train_accuracy", "steps", "epochs", "notes",
    "samples_forward", "samples_backward", "stop_reason", "class_counts", "imbalance_ratio", "label_entropy",
    "peak_memory_bytes", "device", "seconds", "cumulative_fit_seconds",
}  # fmt: skip


@pytest.fixture
def folder(play: Callable[..., Any], run_folder: Callable[[], Path]) -> Path:
    """The folder of a finished run of three rounds, made by the command."""
    assert play("method=cal_der").code == 0
    return run_folder()


def test_a_run_leaves_the_files_that_its_readers_expect(folder: Path) -> None:
    left = {path.name for path in folder.iterdir()}
    files = {"config.yaml", "environment.json", "inputs.json", "metrics.csv", "picks.csv", "rounds.jsonl"}
    assert left == files | {"state-3.pt", "status.json"}
    assert folder.name.startswith("digits-mlp-cal_der-entropy-s0-")
    assert folder.parent.name == "default"


def test_a_line_says_everything_about_its_round(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    assert [set(line) for line in lines] == [LINE] * 3
    assert [(line["round"], line["rounds"], line["labelled"]) for line in lines] == [(1, 3, 20), (2, 3, 40), (3, 3, 60)]
    assert [line["labelled_fraction"] for line in lines] == [0.1, 0.2, 0.3]
    assert [sum(line["class_counts"]) for line in lines] == [20, 40, 60]
    assert set(lines[0]["seconds"]) == {"fit", "evaluate", "score", "select", "commit"}
    assert set(lines[-1]["seconds"]) == {"fit", "evaluate", "commit"}  # nothing is bought after the last round
    assert set(lines[0]["test"]["test"]) == {"accuracy", "balanced_accuracy", "loss"}
    fits = [line["seconds"]["fit"] for line in lines]
    assert [line["cumulative_fit_seconds"] for line in lines] == pytest.approx([fits[0], sum(fits[:2]), sum(fits)])


def test_the_seconds_of_a_fit_are_those_that_the_fit_counts(
    configure: Callable[..., DictConfig], tmp_path: Path
) -> None:
    """They hold those of killed attempts, which the loop has not seen."""
    cfg = configure("budget.rounds=2")
    fit = Fitter(trainer_arguments(cfg.trainer), 1e9, lambda *_: None)
    record = Record(tmp_path, {"run_id": "0", "data_fingerprint": "1"})
    run(build(cfg), record, lambda *where: replace(fit(*where), seconds=1000.0))  # type: ignore[arg-type]
    record.close()
    assert [line["seconds"]["fit"] for line in record.rounds()] == [1000, 1000]


def test_work_is_counted_by_hand(folder: Path) -> None:
    """20 new rows a round in one batch of 20, two epochs; 40 replayed rows at most; z' of 20 rows at the end."""
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    assert [line["steps"] for line in lines] == [2, 2, 2]
    assert [line["epochs"] for line in lines] == [2, 2, 2]
    assert [line["samples_backward"] for line in lines] == [40, 40 + 2 * 20, 40 + 2 * 40]
    assert [line["samples_forward"] - line["samples_backward"] for line in lines] == [20, 20, 20]


def test_picks_name_every_bought_row_once_in_the_order_of_choice(folder: Path) -> None:
    picks = list(csv.DictReader((folder / "picks.csv").read_text().splitlines()))
    assert [(int(p["round"]), int(p["order"])) for p in picks] == [(t, i) for t in (1, 2, 3) for i in range(20)]
    assert len({p["row"] for p in picks}) == 60
    counts = json.loads((folder / "rounds.jsonl").read_text().splitlines()[-1])["class_counts"]
    assert [sum(p["class"] == str(c) for p in picks) for c in range(10)] == counts


def test_the_state_holds_weights_and_stored_targets_and_no_code(folder: Path) -> None:
    state = torch.load(folder / "state-3.pt", weights_only=True)
    assert set(state) == {"net", "parts", "pieces", "previous", "ended"}
    stored = state["pieces"]["objective"]
    assert len(stored["logits_LC"]) == 60
    assert int((stored["position_N"] >= 0).sum()) == 60


def test_the_configuration_is_resolved_and_names_the_choices(folder: Path) -> None:
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["run_id"] == folder.name.rsplit("-", 1)[1]
    assert config["choices"]["method"] == "cal_der"
    assert config["choices"]["budget"] == "counts"
    assert config["method"]["stop"]["later"]["epochs"] == 2
    assert config["cheats"] == []
    assert "${" not in (folder / "config.yaml").read_text()


def test_the_environment_is_recorded(folder: Path) -> None:
    (found,) = json.loads((folder / "environment.json").read_text())["attempts"]
    assert found["packages"]["torch"] == version("torch")
    assert found["device"] == "cpu"
    assert found["threads"] == 1
    assert "method=cal_der" in found["command"]


def test_metrics_stand_in_a_table_too(folder: Path) -> None:
    rows = list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    assert [float(row["test/test/accuracy"]) for row in rows] == [line["test"]["test"]["accuracy"] for line in lines]
    assert rows[-1]["seconds/score"] == ""


def test_states_of_all_rounds_stay_when_asked_for(play: Callable[..., Any], run_folder: Callable[[], Path]) -> None:
    play("record.keep_states=true")
    assert {path.name for path in run_folder().glob("state-*")} == {"state-1.pt", "state-2.pt", "state-3.pt"}


def test_a_run_of_fewer_rounds_ends_with_the_accuracy_of_its_own_last(
    play: Callable[..., Any], run_folder: Callable[[], Path]
) -> None:
    play("trainer.max_epochs=10")
    lines = [json.loads(line) for line in (run_folder() / "rounds.jsonl").read_text().splitlines()]
    accuracies = [line["test"]["test"]["accuracy"] for line in lines]
    record = Record(run_folder(), yaml.safe_load((run_folder() / "config.yaml").read_text()))
    assert record.finish(2) == accuracies[1] != accuracies[2]
    record.close()


def test_what_does_not_decide_a_result_does_not_change_the_run(configure: Callable[..., DictConfig]) -> None:
    plain = run_id(configure())
    same = ("paths.outputs=/x", "logger=wandb", "record.test_entropy=true", "trainer.checkpoint_every_seconds=1")
    assert {run_id(configure(override)) for override in same} == {plain}
    other = ("seed=1", "optimizer.lr=0.1", "budget.step=4", "acquisition=margin", "trainer.batch_size=7", "scale=0.5")
    assert len({plain, *(run_id(configure(override)) for override in other)}) == 7


def test_a_data_set_may_move_between_machines(configure: Callable[..., DictConfig]) -> None:
    here, there, other = (
        run_id(configure("dataset=npz", f"dataset.path={path}", small=False))
        for path in ("/data/cells.npz", "/scratch/cells.npz", "/data/other.npz")
    )
    assert here == there != other


@pytest.mark.parametrize(("data", "stays"), [("1", True), ("2", False)])
def test_what_was_begun_on_other_data_before_any_commit_counts_no_more(data: str, stays: bool, tmp_path: Path) -> None:
    Record(tmp_path, {"run_id": "0", "data_fingerprint": "1"}).close()
    (tmp_path / "round-1").mkdir()
    (tmp_path / "round-1" / "phase-0.ckpt").touch()
    Record(tmp_path, {"run_id": "0", "data_fingerprint": data}).close()
    assert (tmp_path / "round-1").exists() is stays
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["data_fingerprint"] == data


def test_a_second_record_of_one_folder_is_refused_until_the_first_closes(tmp_path: Path) -> None:
    config = {"run_id": "0", "data_fingerprint": "1"}
    record = Record(tmp_path, config)
    with pytest.raises(ValueError, match="another process is running"):
        Record(tmp_path, config)
    record.close()
    Record(tmp_path, config).close()


@pytest.mark.parametrize("moment", ["fit", "commit", "picks", "line"])
def test_a_process_that_was_paused_and_has_lost_its_folder_writes_nothing(
    moment: str, configure: Callable[..., DictConfig], tmp_path: Path
) -> None:
    """Another process takes over while it trains, when it begins to commit, and before its picks and its line."""
    cfg, before = configure(), dict[str, bytes]()
    exp = build(cfg)
    carried = exp.method.carried

    def take_over() -> None:
        (tmp_path / ".claim-2").write_text(json.dumps(asdict(replace(Holder.this_process(), machine="elsewhere 1 2"))))
        before.update(files_in(tmp_path))

    class Watched(Record):
        def status(self, state: str, **more: Any) -> None:
            if more.get("phase") == moment:
                take_over()
            super().status(state, **more)

        def amend(self, lines: list[dict[str, Any]]) -> None:
            if moment == "line":
                take_over()
            super().amend(lines)

    def carry() -> dict[str, Any]:
        if moment == "picks":
            take_over()
        return carried()

    exp.method.carried = carry  # type: ignore[method-assign]
    record = Watched(tmp_path, {"run_id": "0", "data_fingerprint": "1"})
    with pytest.raises(LostError, match="was taken from this process") as lost:
        run(exp, record, Fitter(trainer_arguments(cfg.trainer), 1e9, lambda *_: None))
    record.fail(lost.value)
    record.close()
    after = files_in(tmp_path)
    assert before
    assert {name: text for name, text in after.items() if moment != "picks" or name != "state-1.pt"} == before


def files_in(folder: Path) -> dict[str, bytes]:
    """What is in a folder and those below it, but for claims."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("[!.]*") if path.is_file()}


def test_a_run_that_lost_its_folder_ends_in_one_sentence_and_goes_on_later(
    play: Callable[..., Any], run_folder: Callable[[], Path], refusal: Callable[..., str], small: tuple[str, ...],
    tmp_path: Path,
) -> None:  # fmt: skip
    (tmp_path / "taken_over.py").write_text(TAKEN_OVER)
    words = ("stop=fixed_epochs", "stop._target_=taken_over.TakenOver")
    assert "was taken from this process" in refusal("run", *small, *words)
    (run_folder() / ".claim-9").unlink()
    assert play(*words).code == 0


TAKEN_OVER = """
from pathlib import Path
from calrun.method.fit.stop import FixedEpochs

class TakenOver(FixedEpochs):
    def reason(self, history):
        done = Path(__file__).with_name("done")
        if not done.exists():
            done.touch()
            (folder,) = {path.parent for path in Path(__file__).parent.rglob("outputs/**/config.yaml")}
            (folder / ".claim-9").touch()
        return super().reason(history)
"""


def test_two_users_of_a_group_may_share_a_folder(play: Callable[..., Any], tmp_path: Path) -> None:
    """Every folder that is made lets the group write if the one it is in does; files are replaced, never changed."""
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs").chmod(0o2775)
    before = os.umask(0o022)
    try:
        assert play("budget.rounds=1", "record.test_entropy=true").code == 0
    finally:
        os.umask(before)
    folders = [path for path in (tmp_path / "outputs").rglob("*") if path.is_dir()]
    assert {path.name for path in folders} > {"default", "round-1"}
    assert all(path.stat().st_mode & stat.S_IWGRP for path in folders)


def test_a_status_or_table_that_cannot_be_written_stops_no_run(
    play: Callable[..., Any], run_folder: Callable[[], Path]
) -> None:
    assert play("budget.rounds=1").code == 0
    folder = run_folder()
    (folder / "rounds.jsonl").unlink()
    for name in ("status.json", "metrics.csv"):
        (folder / name).unlink()
        (folder / name / "inside").mkdir(parents=True)
    answer = play("budget.rounds=1")
    assert answer.code == 0
    assert f"calrun: {folder / 'metrics.csv'} cannot be written (" in answer.err
    assert f"calrun: {folder / 'status.json'} cannot be written (" in answer.err


@pytest.mark.parametrize("text", ["", "[]", '{"logs": 3}', '{"state": "runn'])
def test_a_damaged_status_is_written_anew(text: str, play: Callable[..., Any], run_folder: Callable[[], Path]) -> None:
    assert play("budget.rounds=1").code == 0
    (run_folder() / "rounds.jsonl").unlink()
    (run_folder() / "status.json").write_text(text)
    assert play("budget.rounds=1").code == 0
    assert json.loads((run_folder() / "status.json").read_text())["state"] == "finished"


def test_the_logs_of_every_attempt_of_a_job_are_named(
    play: Callable[..., Any], run_folder: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in {"JOB_ID": "71", "ARRAY_JOB_ID": "70", "ARRAY_TASK_ID": "1"}.items():
        monkeypatch.setenv(f"SLURM_{variable}", value)
    paths = {"stdout": "/logs/run.log", "stderr": "/logs/run.log"}
    monkeypatch.setattr("calrun.machine.job._redirected", lambda: paths)
    play("budget.rounds=1")
    (run_folder() / "rounds.jsonl").unlink()
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    play("budget.rounds=1")
    said = json.loads((run_folder() / "status.json").read_text())
    assert said["logs"] == [{"job": "70_1", "attempt": attempt, **paths} for attempt in (0, 1)]


def test_leftovers_of_a_killed_process_are_removed_when_the_run_goes_on(
    configure: Callable[..., DictConfig], play_in: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    """A process killed between line and tidying leaves the round's checkpoint, the state before, and half a file."""
    play_in(tmp_path, configure("record.keep_states=true"))
    lines = (tmp_path / "rounds.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "rounds.jsonl").write_text("".join(lines[:2]))
    (tmp_path / "round-2").mkdir()
    for name in ("round-2/phase-0.ckpt", "round-2/.phase-0.ckpt.part", ".picks.csv.part"):
        (tmp_path / name).write_text("half")
    play_in(tmp_path, configure())
    assert {path.name for path in tmp_path.rglob("state-*")} == {"state-3.pt"}
    assert not list(tmp_path.rglob("*.part")) + list(tmp_path.rglob("phase-*"))
