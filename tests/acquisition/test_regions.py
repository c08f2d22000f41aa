"""Regions of two choices: what each mode takes, what is written, and runs in which a proxy selects.

Dimension key: N candidates.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.regions import Regions

PlayIn = Callable[..., list[dict[str, Any]]]
SHORT = ("trainer.max_epochs=2", "method.proxy.stop.epochs=3", "model.hidden=[8]")
SVPP = (*SHORT, "method=svpp", "acquisition=regions")
# of ten rows: how unsure the proxy and the fine-tuned network are (1 most), and whether each is right
PROXY, FULL = [0.1, 0.2, 0.3, 0.4, 0.5, 5, 6, 7, 8, 9], [0.9, 6, 7, 8, 9, 0.1, 0.2, 0.3, 0.4, 5]
PROXY_RIGHT, FULL_RIGHT = [1, 1, 1, 0, 0, 0, 1, 0, 1, 1], [1, 1, 0, 1, 0, 1, 1, 0, 0, 1]


class LeastLogit(Acquisition):
    """Takes the rows whose highest logit is lowest, in that order."""

    needs = frozenset({"logits"})

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        top_N = candidates.logits_NC.max(dim=1).values.numpy()
        return candidates.rows[np.argsort(top_N, kind="stable")[:budget]]


def seen(certainty: list[float], is_right: list[int], oracle_N: np.ndarray) -> torch.Tensor:
    """Logits of two classes, of which the higher one is right or wrong."""
    logits_NC = torch.zeros(len(certainty), 2)
    predicted_N = np.where(np.array(is_right) == 1, oracle_N, 1 - oracle_N)
    logits_NC[torch.arange(len(certainty)), torch.from_numpy(predicted_N)] = torch.tensor(certainty)
    return logits_NC


def world(scratch: Path) -> Candidates:
    rows, oracle_N = np.arange(100, 110), np.arange(10) % 2
    beside = Candidates(rows, {"logits": seen(FULL, FULL_RIGHT, oracle_N)})
    columns = {"logits": seen(PROXY, PROXY_RIGHT, oracle_N), "oracle": torch.from_numpy(oracle_N), "beside": beside}
    return Candidates(rows, {**columns, "scratch": scratch})


def taken(scratch: Path, mode: Any, regions: list[str], share: float = 1.0, budget: int = 5) -> list[int]:
    acquisition = Regions(LeastLogit(), mode, regions, share)
    return (acquisition.select(world(scratch), budget, np.random.default_rng(0)) - 100).tolist()


def test_each_mode_by_hand(tmp_path: Path) -> None:
    """The proxy wants 0 to 4, the fine-tuned network 5, 6, 7, 8, 0: O 0; A1 5, A2 6, B1 7, B2 8; C 1, 3; D 2, 4."""
    assert taken(tmp_path, "observe", []) == [0, 1, 2, 3, 4]
    assert taken(tmp_path, "replace", ["A1"]) == [0, 1, 2, 3, 5]
    assert taken(tmp_path, "replace", ["B2", "A2"]) == [0, 1, 2, 6, 8]  # in the fine-tuned network's order
    assert taken(tmp_path, "replace", ["A2", "B2"], share=0.2) == [0, 1, 2, 3, 6]
    assert taken(tmp_path, "replace", ["A2", "B2"], share=0.0) == [0, 1, 2, 3, 4]
    assert taken(tmp_path, "only", ["C"], budget=5)[:3] == [1, 3, 9]  # beyond the proxy's choice
    assert taken(tmp_path, "only", ["D"], budget=5)[:2] == [2, 4]
    assert taken(tmp_path, "only", ["D"], budget=5)[2:] == [0, 1, 3]  # too few: the proxy's other rows


def test_regions_are_written_and_counted(tmp_path: Path) -> None:
    acquisition = Regions(LeastLogit(), "replace", ["A1", "B1"], 1.0)
    acquisition.select(world(tmp_path), 5, np.random.default_rng(0))
    with np.load(tmp_path / "regions.npz") as arrays:
        found = {name: arrays[name].tolist() for name in arrays}
    assert found == {"O": [100], "A1": [105], "A2": [106], "B1": [107], "B2": [108], "C": [101, 103], "D": [102, 104]}
    counts = {f"region_{name}": len(rows) for name, rows in found.items()}
    assert acquisition.notes() == {**counts, "rows_exchanged": 2}


def test_a_subset_of_the_candidates_finds_its_rows_beside(tmp_path: Path) -> None:
    part = world(tmp_path).at(np.array([8, 1, 6]))
    rows = Regions(LeastLogit(), "replace", ["A2"], 1.0).select(part, 1, np.random.default_rng(0))
    assert rows.tolist() == [106]  # row 1 gives way


@pytest.mark.parametrize(
    ("mode", "regions", "said"),
    [
        ("replace", [], "wants some of A1, A2, B1, B2"),
        ("replace", ["C"], "got ['C']"),
        ("only", ["A1"], "wants some of C, D"),
        ("observe", ["C"], "wants none"),
        ("swap", ["C"], "acquisition.mode wants observe or replace or only"),
    ],
)
def test_regions_that_a_mode_cannot_take_are_refused(mode: Any, regions: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=r"^acquisition\.") as refusal:
        Regions(LeastLogit(), mode, regions, 1.0)
    assert said in str(refusal.value)


def test_observing_changes_no_choice_of_svpp(
    configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path
) -> None:
    lines = play_in(tmp_path / "seen", configure(*SVPP))
    play_in(tmp_path / "plain", configure(*SHORT, "method=svpp", "acquisition=margin"))
    assert (tmp_path / "seen" / "picks.csv").read_text() == (tmp_path / "plain" / "picks.csv").read_text()
    for line in lines[:-1]:
        counts = {name: line["notes"][f"region_{name}"] for name in ("O", "A1", "A2", "B1", "B2", "C", "D")}
        assert counts["O"] + counts["C"] + counts["D"] == 20
        assert counts["C"] + counts["D"] == sum(counts[name] for name in ("A1", "A2", "B1", "B2"))
        assert counts["O"] < 20
        assert (tmp_path / "seen" / f"round-{line['round']}" / "regions.npz").exists()


def test_what_the_proxy_misses_is_bought_in_the_place_of_its_tail(
    configure: Callable[..., DictConfig], play_in: PlayIn, tmp_path: Path
) -> None:
    words = ("acquisition.mode=replace", "acquisition.regions=[A1,A2,B1,B2]")
    lines = play_in(tmp_path / "run", configure(*SVPP, *words))
    bought = [line.split(",") for line in (tmp_path / "run" / "picks.csv").read_text().splitlines()[1:]]
    for line in lines[:-1]:
        own = [int(row) for number, _, row, *_ in bought if int(number) == line["round"] + 1]
        with np.load(tmp_path / "run" / f"round-{line['round']}" / "regions.npz") as arrays:
            missed = np.concatenate([arrays[name] for name in ("A1", "A2", "B1", "B2")])
        assert len(own) == 20
        assert sorted(own[20 - len(missed) :]) == sorted(missed.tolist())
        assert line["notes"]["rows_exchanged"] == len(missed) > 0


@pytest.mark.parametrize(
    "words", [("method=al",), ("method=svpp", "method.evaluate_at=last"), ("method=svpp", "method.evaluate_at=[40]")]
)
def test_one_network_alone_is_refused_before_the_first_fit(
    words: tuple[str, ...], refusal: Callable[..., str], small: tuple[str, ...]
) -> None:
    said = refusal("run", *small, "acquisition=regions", *words)
    assert "Regions compares a proxy with a network that is trained in every round" in said
