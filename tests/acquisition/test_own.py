"""A user's own acquisition that does not keep to what is asked of it ends in one sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MINE = """
import numpy as np
import torch
from calrun.acquisition.base import Acquisition

class Counted(Acquisition):
    def select(self, candidates, budget, rng):
        return candidates.rows[:budget]

    def notes(self):
        return {"width": np.float32(0.5), "depth": torch.tensor(2)}

class Alone:
    needs = frozenset()

    def select(self, candidates, budget, rng):
        return candidates.rows[:budget]

class Failing(Counted):
    def __init__(self):
        raise KeyError("radius")
"""
Answered = Callable[..., Any]


@pytest.fixture
def choose(tmp_path: Path, small: tuple[str, ...], calrun: Answered) -> Answered:
    """Plays with a class of the user's, or with settings that name none."""
    name = f"choices_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(MINE)
    (tmp_path / "conf" / "acquisition").mkdir(parents=True)

    def played(choice: str) -> Any:
        text = f"_target_: {name}.{choice}\n" if choice else "radius: 3\n"
        (tmp_path / "conf" / "acquisition" / "mine.yaml").write_text(text)
        return calrun("run", "--config-dir", str(tmp_path / "conf"), *small, "acquisition=mine")

    return played


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("Alone", "acquisition wants a calrun.acquisition.base.Acquisition, got an object of Alone"),
        ("Failing", "acquisition: its class raises KeyError ('radius'); CALRUN_DEBUG=1 shows where"),
        ("", "acquisition wants a calrun.acquisition.base.Acquisition, got settings without a _target_"),
    ],
)
def test_what_is_no_acquisition_is_one_sentence(choice: str, message: str, choose: Answered) -> None:
    answer = choose(choice)
    assert answer.code == 2, answer.err
    assert message in answer.err
    assert len(answer.err.splitlines()) == 1


def test_a_class_that_is_not_there_is_named_with_the_reason(choose: Answered) -> None:
    answer = choose("Absent")
    assert answer.code == 2
    assert ".Absent cannot be loaded (ModuleNotFoundError(" in answer.err.splitlines()[-1]
    assert answer.err.splitlines()[-1].endswith("correct the _target_ that names it, or mend its module")


def test_notes_may_come_from_any_library(choose: Answered, run_folder: Callable[[], Path]) -> None:
    assert choose("Counted").code == 0
    first = json.loads((run_folder() / "rounds.jsonl").read_text().splitlines()[0])
    assert (first["notes"]["width"], first["notes"]["depth"]) == (0.5, 2)
