"""`calrun plan --detect` says the seeds for a difference, from a spread that is given or that an arena holds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from calrun.arena.seeds import seeds_table
from calrun.report.measure.power import seeds_needed


def test_seeds_follow_from_the_spread(calrun: Callable[..., Any]) -> None:
    answer = calrun("plan", "--detect", "1", "--sd", "0.8")
    assert answer.code == 0
    table = seeds_table(1.0, 0.8, None)
    said = {row[2].text: row[3].text for row in table.rows}
    assert said == {str(m): str(seeds_needed(1 / 0.8, m)) for m in (1, 4, 7, 25)}
    assert all(text in answer.out for text in said.values())


def test_the_spread_of_an_arena_is_that_of_its_pairs(tmp_path: Path) -> None:
    for budget, spreads in (("low", [4.0, 5.0, 6.0]), ("high", [1.0, 1.0, 0.0])):
        frame = pd.DataFrame({"budget": budget, "sd": spreads})
        frame.to_csv(tmp_path / f"versus-random-{budget}.csv", index=False)
    rows = seeds_table(1.0, None, tmp_path).rows
    assert {row[0].text: row[1].value for row in rows}["low budget, half of the pairs"] == 5.0
    assert {row[0].text: row[1].value for row in rows}["high budget, half of the pairs"] == 1.0


WRONG = {
    "no spread": (["--detect", "1", "--bank", "nowhere"], "no arena has written"),
    "nothing to detect": (["--sd", "1"], "--detect is missing"),
    "a configuration": (["dataset=digits", "--detect", "1", "--sd", "1"], "no configuration, got 'dataset=digits'"),
    "no difference": (["--detect", "0", "--sd", "1"], "above 0"),
    "no spread at all": (["--detect", "1", "--sd", "0"], "--sd wants points above 0"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_mistake_is_one_sentence(wrong: str, calrun: Callable[..., Any]) -> None:
    words, said = WRONG[wrong]
    answer = calrun("plan", *words)
    assert answer.code == 2
    assert said in answer.err
    assert answer.err.count("\n") == 1
