"""picks.csv and rounds.jsonl are compared with each other, the budget and the data set when a run goes on."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import DictConfig

from calrun.experiment import Experiment

Change = Callable[[list[str]], list[str]]
Refusal = Callable[..., str]


@pytest.fixture
def begun(
    play: Callable[..., Any], once: dict[str, Path], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run of three rounds whose last is still to play: 60 rows are bought."""
    if "outputs" not in once:
        assert play("record.keep_states=true").code == 0
        once["outputs"] = tmp_path_factory.mktemp("played") / "outputs"
        (tmp_path / "outputs").rename(once["outputs"])
    shutil.copytree(once["outputs"], tmp_path / "outputs")
    (path,) = tmp_path.rglob("rounds.jsonl")
    change(path, lambda lines: lines[:2])
    return path.parent


@pytest.fixture(scope="module")
def once() -> dict[str, Path]:
    """What has been played for all tests."""
    return {}


def change(path: Path, change: Change) -> None:
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))


def fields(text: str, **changes: str) -> str:
    """A line of picks.csv with other fields."""
    names = ("round", "order", "row", "item_id", "class")
    return ",".join((dict(zip(names, text.strip().split(","), strict=True)) | changes).values()) + "\n"


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        (lambda lines: lines[:60], "it ends after 59 rows of the 60 that rounds 1 to 3 have"),
        (lambda lines: [*lines[:60], lines[60][:-6]], "line 61 is "),  # half a last line
        (lambda lines: [*lines[:60], lines[60][:-2]], "line 61 is "),  # its class is cut
        (lambda lines: [lines[0], *lines[2:], lines[1]], "line 2 is "),
        (lambda lines: [*lines[:3], lines[2], *lines[4:]], "line 4 names row "),
        (lambda lines: [*lines, lines[60]], "line 62 and later ones repeat a round"),
        (lambda lines: [*lines[:5], fields(lines[5], row="-1"), *lines[6:]], "line 6 is "),
        (lambda lines: [*lines[:5], fields(lines[5], row="9999", item_id="9999"), *lines[6:]], "line 6 is "),
        (lambda lines: [*lines[:5], fields(lines[5], row="x"), *lines[6:]], "line 6 is "),
        (lambda lines: [*lines[:5], fields(lines[5], item_id="x"), *lines[6:]], "line 6 is "),
        (lambda lines: [*lines[:5], fields(lines[5], round="2"), *lines[6:]], "line 6 is "),
        (lambda lines: [*lines[:5], "\n", *lines[6:]], "line 6 is ''"),
        (lambda lines: lines[1:], "line 1 is "),
        (lambda lines: [], "is damaged"),
    ],
)
def test_picks_that_were_cut_or_changed_are_refused_with_their_line(
    changed: Change, wanted: str, begun: Path, small: tuple[str, ...], refusal: Refusal
) -> None:
    change(begun / "picks.csv", changed)
    before = committed(begun)
    line = refusal("run", *small, "record.keep_states=true")
    assert f"{begun / 'picks.csv'} is damaged" in line
    assert wanted in line
    assert "put back a copy that is whole, or add --fresh" in line
    assert committed(begun) == before


def committed(folder: Path) -> dict[str, bytes]:
    """The files that hold what a run has done."""
    return {name: (folder / name).read_bytes() for name in ("rounds.jsonl", "picks.csv", "state-1.pt", "state-2.pt")}


def line_with(number: int, **changes: object) -> Change:
    return lambda lines: [
        json.dumps(json.loads(text) | changes) + "\n" if place == number else text
        for place, text in enumerate(lines, start=1)
    ]


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        (lambda lines: [lines[0], lines[1][:200]], "line 2 is no JSON"),
        (lambda lines: [lines[0], lines[0]], "line 2: it holds round 1"),
        (lambda lines: [lines[1]], "line 1: it holds round 2"),
        (line_with(2, round=3), "line 2: it holds round 3"),
        (lambda lines: [lines[0], "\n", lines[1]], "line 2 is no JSON"),
        (line_with(2, labelled=41), "line 2 has 41 labelled rows instead of the budget's 40"),
        (line_with(2, labelled="40"), "line 2: labelled is of the wrong kind: '40'"),
        (line_with(1, rounds=None), "line 1: it has no number of rounds"),
        (line_with(2, test={}), "line 2: test is of the wrong kind"),
        (line_with(2, seconds={}), "line 2: it has no seconds of the fit"),
        (lambda lines: [lines[0], "[]\n"], "line 2: it is no object"),
    ],
)
def test_rounds_that_were_cut_or_changed_are_refused_with_their_line(
    changed: Change, wanted: str, begun: Path, small: tuple[str, ...], refusal: Refusal
) -> None:
    change(begun / "rounds.jsonl", changed)
    line = refusal("run", *small, "record.keep_states=true")
    assert f"{begun / 'rounds.jsonl'} is damaged ({wanted}" in line
    assert "put back a copy that is whole, or add --fresh" in line


def test_a_state_in_which_a_byte_has_changed_is_named(begun: Path, small: tuple[str, ...], refusal: Refusal) -> None:
    content = bytearray((begun / "state-2.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (begun / "state-2.pt").write_bytes(content)
    assert f"{begun / 'state-2.pt'} is damaged (BadZipFile)" in refusal("run", *small, "record.keep_states=true")


def test_a_missing_state_is_named(begun: Path, small: tuple[str, ...], refusal: Refusal) -> None:
    (begun / "state-2.pt").unlink()
    assert f"{begun / 'state-2.pt'} is missing; put back" in refusal("run", *small, "record.keep_states=true")


def test_picks_of_a_round_that_was_not_committed_count_for_nothing(
    begun: Path, play: Callable[..., Any], result_of: Callable[[Path], Any]
) -> None:
    """A process killed between the two files has written one round's more; what is damaged there is no matter."""
    unbroken = (begun / "picks.csv").read_text()
    (begun / "rounds.jsonl").write_text((begun / "rounds.jsonl").read_text().splitlines(keepends=True)[0])
    change(begun / "picks.csv", lambda lines: [*lines[:50], "3,9"])
    assert play("record.keep_states=true").code == 0
    assert (begun / "picks.csv").read_text() == unbroken
    assert [line["round"] for line in result_of(begun)[0]] == [1, 2, 3]


SHORT = """
from calrun.acquisition.base import Acquisition

class Short(Acquisition):
    needs = frozenset()

    def select(self, candidates, budget, rng):
        return candidates.rows[: budget - 1]
"""


def test_an_acquisition_that_buys_less_than_its_budget_commits_nothing(
    tmp_path: Path, small: tuple[str, ...], refusal: Refusal, run_folder: Callable[[], Path]
) -> None:
    (tmp_path / "short_choice.py").write_text(SHORT)
    line = refusal("run", *small, "acquisition=random", "acquisition._target_=short_choice.Short")
    assert "round 2 wants 20 rows from the acquisition, but came 19" in line
    assert not (run_folder() / "rounds.jsonl").exists()


def test_items_stand_by_name_and_class_in_the_order_of_choice(
    pictures: Path, configure: Callable[..., DictConfig], play_in: Callable[..., Any], tmp_path: Path
) -> None:
    played: list[Experiment] = []
    small = ("trainer=cpu", "trainer.max_epochs=1", "budget=counts", "budget.start=10", "budget.rounds=2", "model=mlp")
    streamed = ("dataset.picture.size=8", "dataset.picture.resize=8", "dataset.num_workers=0")
    cfg = configure("dataset=image_folder", f"dataset.root={pictures}", *streamed, *small, small=False)
    play_in(tmp_path / "run", cfg, prepare=played.append)
    lines = list(csv.DictReader((tmp_path / "run" / "picks.csv").read_text().splitlines()))
    rows = [int(line["row"]) for line in lines]
    assert rows == np.concatenate(list(played[0].pool.bought.values())).tolist()
    assert rows[10:] != sorted(rows[10:])
    assert [line["item_id"] for line in lines] == [played[0].data.train.item_id(row) for row in rows]
    assert [line["item_id"].split("/")[1] for line in lines] == [line["class"] for line in lines]


def test_initial_rows_that_are_fewer_than_the_budget_are_refused(
    tmp_path: Path, small: tuple[str, ...], refusal: Refusal
) -> None:
    (tmp_path / "short_choice.py").write_text(SHORT)
    line = refusal("run", *small, "initial._target_=short_choice.Short")
    assert "round 1 wants 20 rows from the choice of initial rows, but came 19" in line


def test_a_run_that_is_extended_buys_its_whole_budget(
    tmp_path: Path, small: tuple[str, ...], calrun: Callable[..., Any], refusal: Refusal
) -> None:
    (tmp_path / "short_choice.py").write_text(SHORT)
    words = ("run", *small, "acquisition=random", "acquisition._target_=short_choice.Short")
    assert calrun(*words, "budget.rounds=1").code == 0
    assert "round 2 wants 20 rows from the acquisition, but came 19" in refusal(*words, "budget.rounds=2")
