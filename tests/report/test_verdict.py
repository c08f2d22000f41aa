from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from calrun.report.printed import paper_table
from calrun.report.runs import read
from calrun.report.verdict import claims, differs_from, ours_as_cells, verdict, verdict_table, verdicts

MakeRun = Callable[..., Path]


def lines(accuracies: dict[int, float], seconds: float) -> list[dict[str, object]]:
    return [
        {"round": number, "labelled": labelled, "test": {"test": {"accuracy": accuracy}}, "seconds": {"fit": seconds}}
        for number, (labelled, accuracy) in enumerate(accuracies.items(), start=1)
    ]


def test_verdict_compares_at_the_papers_precision() -> None:
    assert verdict(0.1, 0.1) == "within std"
    assert verdict(-0.0, 0.0) == "within std"
    assert verdict(-0.8, 0.1) == "within 1 point"
    assert verdict(1.1, 0.1) == "off"
    assert verdict(float("nan"), 0.1) == "not run"


def test_cells_meet_the_papers_by_method_and_labels(make_run: MakeRun, tmp_path: Path) -> None:
    paper = paper_table("cal/table1")
    assert paper is not None
    common = {"dataset": "fmnist", "model": "resnet18"}
    make_run([], lines=lines({3500: 0.9, 7000: 0.9263, 10500: 0.92}, 10.0), **common)
    make_run([], lines=lines({3500: 0.9, 7000: 0.90}, 5.0), method="cal_er", **common)
    found = verdicts(read([tmp_path]).table, paper).set_index(["method", "budget"])
    assert found.loc[("al", "10%"), ["difference", "verdict"]].tolist() == [0.0, "within std"]
    assert found.loc[("al", "15%"), ["difference", "verdict"]].tolist() == [-1.8, "off"]
    assert found.loc[("al", "20%"), "verdict"] == "not run"
    assert found.loc[("cal_er", "10%"), "ours_speed_up"] == 2.0
    assert (found["verdict"] == "not run").sum() == 32


def test_scaled_runs_meet_scaled_budgets_and_say_so(make_run: MakeRun, tmp_path: Path) -> None:
    paper = paper_table("cal/table1")
    assert paper is not None
    make_run([], lines=lines({350: 0.7, 700: 0.75, 1051: 0.8}, 1.0), dataset="fmnist", leaves={"scale": 0.1})
    table = read([tmp_path]).table
    assert "scaled" in table["context"].iloc[0]
    found = verdicts(table, paper, scale=0.1)
    assert found.loc[found["n"] > 0, "budget"].tolist() == ["10%", "15%"]
    table_shown = verdict_table(found, paper, 0.1, differs_from(table, paper))
    assert "model mlp in place of resnet18" in table_shown.notes[0]
    assert "SCALED" in table_shown.notes[1]


def test_sensitivity_cells_meet_by_variant_however_numbers_are_written(make_run: MakeRun, tmp_path: Path) -> None:
    paper = paper_table("cal/table10")
    assert paper is not None
    for sigma, weight, accuracy in ((1, 0.1, 0.9433), (10, 5.0, 0.95)):
        choose = {"choose": {"sigma": sigma, "uncertainty_weight": weight}}
        make_run([], lines=lines({25000: accuracy}, 1.0), method="cal_sds2", tag=sigma, leaves={"method": choose})
    found = verdicts(read([tmp_path]).table, paper).set_index("variant")
    assert found.loc["sigma=1.0, uncertainty_weight=0.1", "difference"] == 0.0
    assert found.loc["sigma=10.0, uncertainty_weight=5.0", "difference"] == pytest.approx(0.7)


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
    make_run([], lines=lines({7000: 0.9}, 1.0), dataset="fmnist", acquisition="margin")
    found = verdicts(read([tmp_path]).table, paper)
    assert claims(ours_as_cells(found)) == []
