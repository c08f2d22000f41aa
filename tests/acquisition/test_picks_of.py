"""The picks of another run, bought again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig

from calrun.acquisition.base import Candidates
from calrun.acquisition.picks_of import PicksOf
from calrun.folder.identity import run_id
from calrun.look.sizes import Sizes

RNG = np.random.default_rng(0)
HEAD = "round,order,row,item_id,class\n"
PICKS = "1,0,7,7,a\n1,1,3,3,b\n2,0,9,9,a\n2,1,1,1,a\n2,2,5,5,b\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "picks.csv").write_text(HEAD + PICKS)
    return tmp_path / "picks.csv"


def offered(labelled: list[int], same: list[bool] | None = None) -> Candidates:
    rows = np.setdiff1d(np.arange(12), labelled)
    return Candidates(rows, {"labelled_rows": np.array(labelled), "same_items": torch.tensor(same or [True] * 5)})


def test_each_round_is_bought_in_the_order_of_the_file(path: Path) -> None:
    replay = PicksOf(str(path))
    assert replay.select(offered([]), 2, RNG).tolist() == [7, 3]
    assert replay.select(offered([3, 7]), 3, RNG).tolist() == [9, 1, 5]


def test_rows_are_refused_that_are_not_what_the_file_says(path: Path) -> None:
    replay = PicksOf(str(path))
    with pytest.raises(
        ValueError, match="first 2 rows to be those that are labelled here, but others are; choose init"
    ):
        replay.select(offered([3, 4]), 3, RNG)
    with pytest.raises(ValueError, match=r"1 items that this data set has not in the same row \(first: \['9'\]\)"):
        replay.select(offered([], [True, True, False, True, True]), 2, RNG)
    kept = offered([])
    with pytest.raises(ValueError, match=r"it names 5, 1 of them held out here \(first: \[5\]\)"):
        replay.select(kept.at(np.flatnonzero(kept.rows != 5)), 2, RNG)


@pytest.mark.parametrize(
    ("labelled", "budget", "fits"),
    [(0, 2, True), (2, 3, True), (0, 5, True), (0, 3, False), (2, 2, False), (5, 1, False)],
)
def test_other_budgets_than_those_of_the_file_are_known_beforehand(
    path: Path, labelled: int, budget: int, fits: bool
) -> None:
    refusal = PicksOf(str(path)).cost(Sizes(100, labelled, 2, 3, budget)).refusal
    assert refusal == "" if fits else "has 2, 5 labels after its rounds, but this run wants" in refusal


@pytest.mark.parametrize(
    "text",
    ["", HEAD, "round,row\n1,2\n", HEAD + "1,0,7,7,a\n1,1,7,7,a\n", HEAD + "2,0,7,7,a\n", HEAD + "1,0,x,7,a\n",
     HEAD + "2,0,7,7,a\n1,0,8,8,a\n", HEAD + "1,0\n", HEAD + "1,0,-7,7,a\n"],
)  # fmt: skip
def test_a_damaged_file_is_refused_in_one_sentence(text: str, path: Path) -> None:
    path.write_text(text)
    with pytest.raises(
        ValueError, match=r"picks\.csv cannot be read as the picks\.csv of a run \(.*name that of a fini"
    ):
        PicksOf(str(path)).select(offered([]), 2, RNG)


def test_the_bytes_of_the_picks_are_the_run_and_neither_their_place_nor_their_name(
    configure: Callable[..., DictConfig], path: Path, tmp_path: Path
) -> None:
    def named(place: Path, whose: str = "") -> str:
        words = [f"{group}.path={place}" for group in ("initial", "acquisition")]
        return run_id(configure("initial=picks_of", "acquisition=picks_of", *words, f"acquisition.whose={whose}"))

    (tmp_path / "elsewhere.csv").write_text(path.read_text())
    (tmp_path / "other.csv").write_text(path.read_text().replace("2,1,1,1,a\n2,2,5,5,b", "2,1,5,5,b\n2,2,1,1,a"))
    assert named(path) == named(tmp_path / "elsewhere.csv", "somebody") != named(tmp_path / "other.csv")


def replayed(path: Path) -> list[str]:
    both = ("initial", "acquisition")
    return [word for group in both for word in (f"{group}=picks_of", f"{group}.path={path}")]


def test_a_replay_with_the_same_network_is_the_run_itself(
    play: Callable[..., Any], result_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    assert play("acquisition=margin", "seed=3", "method=cal_der").code == 0
    (own,) = (path.parent for path in (tmp_path / "outputs").rglob("picks.csv"))
    answer = play(*replayed(own / "picks.csv"), "seed=3", "method=cal_der", "experiment_name=again")
    assert answer.code == 0, answer.err
    (again,) = (path.parent for path in (tmp_path / "outputs/again").rglob("picks.csv"))
    assert result_of(again) == result_of(own)


def test_what_cannot_be_replayed_is_refused_before_the_first_fit(
    play: Callable[..., Any], refusal: Callable[..., str], small: tuple[str, ...], tmp_path: Path
) -> None:
    assert play("acquisition=random").code == 0
    (own,) = (path.parent for path in (tmp_path / "outputs").rglob("picks.csv"))
    words = ("run", *small, *replayed(own / "picks.csv"), "experiment_name=again")
    assert "picks_of has no path yet; add" in refusal("run", *small, "acquisition=picks_of", "initial=picks_of")
    assert "has 20, 40, 60 labels after its rounds, but this run wants 30" in refusal(*words, "budget.start=30")
    assert "wants 80 after 60" in refusal(*words, "budget.rounds=4")
    assert "items that this data set has not" in refusal(*words, "dataset.num_train=100")
    assert "held out here" in refusal(*words, "val_fraction=0.5")
    assert not (tmp_path / "outputs/again").exists() or not [*(tmp_path / "outputs/again").rglob("rounds.jsonl")]
