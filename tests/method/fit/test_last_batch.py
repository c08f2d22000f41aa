"""`trainer.last_batch` as it is typed: what is played and planned, what is cautioned against, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calrun.experiment import build
from calrun.round import planned_rounds

Typed = Callable[..., Any]
SAID = "a step of fewer than 16 rows"


@pytest.mark.parametrize(("last_batch", "steps", "rows"), [("keep", 3, 18), ("even", 3, 18), ("drop", 2, 16)])
def test_what_is_played_is_what_is_planned(
    last_batch: str, steps: int, rows: int, play_in: Typed, configure: Typed, tmp_path: Path
) -> None:
    words = ("trainer.batch_size=8", "budget.start=18", "budget.rounds=1", f"trainer.last_batch={last_batch}")
    (line,) = play_in(tmp_path, configure(*words))
    assert (line["steps"], line["samples_backward"]) == (2 * steps, 2 * rows)
    (this_round,) = planned_rounds([18])
    planned = build(configure(*words)).method.planned(this_round)
    assert (planned.steps, planned.samples) == (steps, rows)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("model=cnn",), "in 3 of 3 rounds an epoch ends with a step of fewer than 16 rows (the smallest has 2)"),
        (("model=cnn", "method=cal_der"), "in 3 of 3 rounds"),  # the rest goes through BatchNorm alone
        (("model=cnn", "method=cal_er"), "in 1 of 3 rounds"),  # later, 2 rows go with 20 replayed ones
        (("model=cnn", "trainer.last_batch=even"), ""),
        (("model=cnn", "trainer.last_batch=drop"), ""),
        (("model=cnn", "trainer.batch_size=11"), ""),  # no rest
        (("model=cnn", "method=linear_probe"), ""),  # BatchNorm is frozen
        (("model=mlp",), ""),
    ],
)
def test_a_caution_names_the_rounds(words: tuple[str, ...], wanted: str, configure: Typed) -> None:
    cfg = configure("trainer.batch_size=20", "budget.start=22", "budget.step=22", *words)
    said = [each for each in build(cfg).cautions if SAID in each]
    assert (wanted in said[0]) if wanted else not said


def test_it_is_said_at_the_start_and_in_a_plan(calrun: Typed, play: Typed, small: tuple[str, ...]) -> None:
    words = ("model=cnn", "trainer.batch_size=20", "budget.start=22", "budget.rounds=1", "trainer.max_epochs=1")
    assert SAID in play(*words).err
    assert SAID in "".join(calrun("plan", *small, *words).out.split("\n"))


def test_dropping_every_row_of_a_round_and_other_words_are_refused(refusal: Typed, small: tuple[str, ...]) -> None:
    words = ("run", *small, "trainer.batch_size=21")
    said = refusal(*words, "trainer.last_batch=drop")
    assert "round 1 of 3 visits 20 rows and a step has 21, so that there would be none; choose" in said
    assert "trainer.last_batch wants" in refusal(*words, "trainer.last_batch=join")
