from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from calrun.report.read.runs import read
from calrun.report.verdict.claims import claims, least_accuracy
from calrun.report.verdict.printed import paper_table
from calrun.report.verdict.verdict import ours_as_cells, verdicts

MakeRun = Callable[..., Path]


def of_al_and_er(al: float, n: int = 3) -> pd.DataFrame:
    """CAL-ER stands one point above AL and is twice as fast at both budgets."""
    return pd.DataFrame(
        {
            "method": ["al", "al", "cal_er", "cal_er"],
            "budget": ["10%", "20%"] * 2,
            "mean": [al, 90.0, al + 1, 91.0],
            "std": [0.1] * 4,
            "speed_up": [1.0, 1.0, 2.0, 2.0],
            "n": [n] * 4,
        }
    )


def test_the_papers_own_numbers_bear_out_its_claims() -> None:
    paper = paper_table("cal/table1")
    assert paper is not None
    answers = {claim.text: claim for claim in claims(paper.cells)}
    one = answers["one CAL method matches AL and is faster at every budget"]
    assert one.answer == "yes"
    assert "CAL-DER (3.1x" in one.because


def test_claims_fail_where_a_method_is_slower_or_missing() -> None:
    cells = pd.DataFrame(
        {
            "method": ["al", "al", "cal_er", "cal_er", "al_ws", "al_ws"],
            "budget": ["10%", "20%"] * 3,
            "mean": [80.0, 90.0, 80.0, np.nan, 80.0, 90.0],
            "std": [np.nan] * 6,
            "speed_up": [1.0, 1.0, 2.0, np.nan, 1.0, 1.2],
        }
    )
    every, one, distilling, warm = claims(cells)
    assert (every.answer, every.because) == ("no", "not at 20%")
    assert (one.answer, one.because) == ("no", "most by CAL-ER: 1 of 2 budgets")
    assert (distilling.answer, distilling.because) == ("open", "not run")
    assert warm.answer == "open"


def test_tables_without_printed_speed_ups_make_no_claims(make_run: MakeRun, tmp_path: Path) -> None:
    paper = paper_table("cal/table11")
    assert paper is not None
    assert claims(paper.cells) == []
    line = {"round": 1, "labelled": 7000, "test": {"test": {"accuracy": 0.9}}}
    make_run([], lines=[line], dataset="fmnist", acquisition="margin")
    found = verdicts(read([tmp_path]).table, paper)
    assert claims(ours_as_cells(found)) == []


def test_where_al_has_learnt_nothing_matching_it_is_open() -> None:
    every, one, distilling, _ = claims(of_al_and_er(19.9), least=0.2)
    assert (every.answer, one.answer) == ("open", "open")
    assert every.because == "AL has 19.9 % at 10%; it says something from 20.0 % on"
    assert distilling.because == "not run"  # it rests on the last budget alone, where AL is good
    assert [claim.answer for claim in claims(of_al_and_er(20.0), least=0.2)[:2]] == ["yes", "yes"]


def test_one_seed_leaves_every_claim_open() -> None:
    found = claims(of_al_and_er(80.0, n=1))
    assert {claim.answer for claim in found} == {"open"}
    assert found[0].because == "one seed of AL, CAL-ER: no deviation to match within"


def test_a_claim_is_open_for_the_seeds_of_the_methods_that_it_is_about_alone() -> None:
    seeds = {"al": 3, "al_ws": 1, "cal_er": 3, "cal_der": 3, "cal_sd": 3, "cal_sds2": 3}
    speed_ups = {"al": 1.0, "al_ws": 1.5}

    def answers(**other: int) -> list[tuple[str, str]]:
        rows = [(name, "10%", 80.0, 0.1, speed_ups.get(name, 2.0), n) for name, n in (seeds | other).items()]
        found = claims(pd.DataFrame(rows, columns=["method", "budget", "mean", "std", "speed_up", "n"]))
        return [(claim.answer, claim.because) for claim in found]

    every, one, distilling, warm = answers()
    assert (every[0], one[0], distilling) == ("yes", "yes", ("yes", "all three do"))
    assert warm == ("open", "one seed of AL w/ WS: no deviation to match within")
    assert answers(al_ws=3)[3][0] == "yes"
    every, _, distilling, _ = answers(cal_er=1)
    assert (every[0], distilling[0]) == ("open", "yes")


@pytest.mark.parametrize(("counts", "least"), [([10] * 10, 0.2), ([67, 11, 11, 11], 0.72), ([26, 25, 25, 24], 0.5)])
def test_the_least_is_twice_chance_or_the_majority_and_five_points(
    make_run: MakeRun, tmp_path: Path, counts: list[int], least: float
) -> None:
    for seed in (0, 1):
        line = {"round": 1, "labelled": 100, "test": {"test": {"accuracy": 0.5}}, "class_counts": counts}
        make_run([], lines=[line, line | {"round": 2, "class_counts": [9] * 10}], seed=seed)
    assert least_accuracy(read([tmp_path]).table) == pytest.approx(least)


def test_without_class_counts_no_accuracy_is_too_low(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([], lines=[{"round": 1, "labelled": 7, "test": {"test": {"accuracy": 0.5}}}])
    assert least_accuracy(read([tmp_path]).table) == 0.0
