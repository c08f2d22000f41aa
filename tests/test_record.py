"""The run folder."""

import csv
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from omegaconf import DictConfig

from calrun.identity import run_id
from calrun.record import Record, flatten

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
    files = {"config.yaml", "environment.json", "rounds.jsonl", "metrics.csv", "picks.csv", "status.json", "state-3.pt"}
    assert left == files
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
    assert set(state) == {"net", "stored"}
    assert len(state["stored"]["logits_LC"]) == 60
    assert int((state["stored"]["position_N"] >= 0).sum()) == 60


def test_the_configuration_is_resolved_and_names_the_choices(folder: Path) -> None:
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["run_id"] == folder.name.rsplit("-", 1)[1]
    assert config["choices"]["method"] == "cal_der"
    assert config["choices"]["budget"] == "counts"
    assert config["method"]["stop_later"]["epochs"] == 2
    assert config["uses_oracle"] is False
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


def test_a_second_record_of_one_folder_is_refused_until_the_first_closes(tmp_path: Path) -> None:
    config = {"run_id": "0", "data_fingerprint": "1"}
    record = Record(tmp_path, config)
    with pytest.raises(ValueError, match="another process is running"):
        Record(tmp_path, config)
    record.close()
    Record(tmp_path, config).close()


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


def test_numbers_are_flattened_and_lists_left_out() -> None:
    assert flatten({"a": {"b": {"c": 1}}, "d": "x", "e": [1, 2]}) == {"a/b/c": 1, "d": "x"}
