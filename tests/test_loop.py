"""The active-learning loop."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import DictConfig

from calrun.acquisition.base import Acquisition, Candidates
from calrun.experiment import build
from calrun.folder.record import Record
from calrun.loop import run
from calrun.method.fit.fit import Fitter
from calrun.places import options

FIT = Fitter({"accelerator": "cpu", "devices": 1}, 1e9, lambda *_: None)
Configure = Callable[..., DictConfig]
PlayIn = Callable[..., list[dict[str, Any]]]


class Greedy(Acquisition):
    """Takes the first rows it is offered, and too few or already labelled ones on demand."""

    def __init__(self, wrong: str = "") -> None:
        self.wrong, self.seen = wrong, list[Candidates]()

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        self.seen.append(candidates)
        if self.wrong == "repeats":
            return np.repeat(candidates.rows[:1], budget)
        if self.wrong == "labelled":
            return np.setdiff1d(np.arange(200), candidates.rows)[:budget]
        return candidates.rows[:budget]


def test_the_loop_trains_evaluates_and_buys_until_the_last_round(configure: Configure, tmp_path: Path) -> None:
    exp = build(configure("method=cal_er"))
    greedy, told = Greedy(), list[dict[str, Any]]()
    exp = replace(exp, acquisition=greedy)
    record = Record(tmp_path, {"run_id": "0", "data_fingerprint": "1"})
    accuracy = run(exp, record, FIT, [told.append])
    assert [line["labelled"] for line in told] == [20, 40, 60]
    assert [len(candidates.rows) for candidates in greedy.seen] == [180, 160]
    assert accuracy == told[-1]["test"]["test"]["accuracy"]
    np.testing.assert_array_equal(exp.pool.bought[2], greedy.seen[0].rows[:20])
    assert record.rounds() == told
    record.close()


@pytest.mark.parametrize(("wrong", "message"), [("repeats", "19 are repeats"), ("labelled", "20 are labelled already")])
def test_an_acquisition_that_breaks_its_contract_commits_nothing(
    wrong: str, message: str, configure: Configure, tmp_path: Path
) -> None:
    exp = replace(build(configure()), acquisition=Greedy(wrong))
    record = Record(tmp_path, {"run_id": "0", "data_fingerprint": "1"})
    with pytest.raises(ValueError, match=message):
        run(exp, record, FIT)
    assert record.rounds() == []
    record.close()


def test_a_finished_run_has_nothing_left_to_play(configure: Configure, play_in: PlayIn, tmp_path: Path) -> None:
    lines = play_in(tmp_path, configure())
    before = (tmp_path / "rounds.jsonl").stat().st_mtime_ns
    assert play_in(tmp_path, configure()) == lines
    assert (tmp_path / "rounds.jsonl").stat().st_mtime_ns == before


def test_a_budget_of_the_whole_pool_is_played_to_the_end(configure: Configure, play_in: PlayIn, tmp_path: Path) -> None:
    lines = play_in(tmp_path, configure("budget.start=100", "budget.rounds=2", "trainer.max_epochs=1"))
    assert [line["labelled_fraction"] for line in lines] == [0.5, 1.0]


def test_a_single_round_is_ordinary_training(configure: Configure, play_in: PlayIn, tmp_path: Path) -> None:
    (line,) = play_in(tmp_path, configure("budget.rounds=1"))
    assert set(line["seconds"]) == {"fit", "evaluate", "commit"}


@pytest.mark.parametrize("method", options("method")["method"])
def test_every_method_plays_resident_data(method: str, configure: Configure, play_in: PlayIn, tmp_path: Path) -> None:
    """Small batches, half precision, channels-last pictures, a network with BatchNorm and dropout."""
    cfg = configure(
        f"method={method}", "model=cnn", "model.width=2", "model.dropout=0.2", "trainer.batch_size=8",
        "trainer.precision=bf16-mixed", "trainer.channels_last=true", *smaller_replay(method), "acquisition=margin",
    )  # fmt: skip
    lines = play_in(tmp_path, cfg)
    assert [line["labelled"] for line in lines] == [20, 40, 60]
    assert all(line["test"]["test"]["loss"] > 0 for line in lines)
    assert all(line["steps"] > 0 or not line["epochs"] for line in lines)  # a head in closed form takes none


def smaller_replay(method: str) -> list[str]:
    """Overrides that let the methods that choose choose some of 20 candidates."""
    if not method.startswith("cal_"):
        return []
    chosen = ["method.visit.num_candidates=15"] if method in ("cal_mir", "cal_sds2") else []
    return ["method.visit.replay_size=10", *chosen]


@pytest.mark.parametrize("method", options("method")["method"])
def test_every_method_plays_streamed_pictures(
    method: str, configure: Configure, play_in: PlayIn, tmp_path: Path, pictures: Path
) -> None:
    cfg = configure(
        "dataset=image_folder", f"dataset.root={pictures}", "dataset.picture.size=8", "dataset.picture.resize=9",
        "dataset.num_workers=0", "model=cnn", "model.width=2", "trainer=cpu", "trainer.max_epochs=1",
        "trainer.cal_epochs=1", "trainer.batch_size=8", "budget=counts", "budget.start=16", "budget.rounds=2",
        f"method={method}", *smaller_replay(method), small=False,
    )  # fmt: skip
    lines = play_in(tmp_path / "run", cfg)
    assert [line["labelled"] for line in lines] == [16, 32]
    picks = (tmp_path / "run" / "picks.csv").read_text().splitlines()
    assert len(picks) == 33
    assert picks[1].split(",")[3].endswith(".png")
