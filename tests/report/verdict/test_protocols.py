"""Tables of Beck et al. 2021: the printed numbers, our runs beside them, and the claims on seconds."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calrun.report.read.runs import read
from calrun.report.verdict.pace import pace, round_claims, selection_claims
from calrun.report.verdict.printed import PaperTable, paper_table
from calrun.report.verdict.verdict import verdict_table, verdicts
from calrun.sweep.reproduce import claims_table

MakeRun = Callable[..., Path]
COMMON: dict[str, Any] = {"dataset": "cifar10", "model": "resnet18"}


def beck(number: int) -> PaperTable:
    found = paper_table(f"beck/table{number}")
    assert found is not None
    return found


def lines(labels: list[int], accuracies: list[float], **seconds: list[float]) -> list[dict[str, Any]]:
    return [
        {
            "round": at + 1,
            "labelled": labels[at],
            "test": {"test": {"accuracy": accuracies[at]}},
            "seconds": {name: own[at] for name, own in ({"fit": [1.0] * len(labels)} | seconds).items()},
        }
        for at in range(len(labels))
    ]


@pytest.mark.parametrize(("number", "cells"), [(2, 45), (3, 30), (12, 12), (13, 48), (14, 24)])
def test_every_printed_number_is_a_cell_with_a_place_of_its_own(number: int, cells: int) -> None:
    paper = beck(number)
    assert len(paper.cells) == cells
    assert not paper.cells[["method", "test_set", "labelled"]].duplicated().any()
    assert paper.setting
    assert paper.differs


def test_the_tables_of_hyper_parameters_and_the_figures_have_no_results() -> None:
    assert [paper_table(name) for name in ("beck/table4", "beck/fig1_svhn")] == [None, None]


def test_runs_meet_table_2_by_the_rows_that_a_round_buys(make_run: MakeRun, tmp_path: Path) -> None:
    for step, accuracy in ((1000, 0.843), (3000, 0.9)):
        labels = [1000, 1000 + step, 7000]
        leaves = {"budget": {"step": step}}
        own = lines(labels, [0.5, 0.6, accuracy])
        make_run([], lines=own, acquisition="entropy", leaves=leaves, tag=str(step), **COMMON)
    found = verdicts(read([tmp_path]).table, beck(2)).set_index(["method", "test_set", "budget"])["verdict"]
    assert found["entropy", "1,000", "7000 points"] == "within std"
    assert found["entropy", "3,000", "7000 points"] == "off"
    assert found["entropy", "6,000", "7000 points"] == found["badge", "1,000", "7000 points"] == "not run"


def test_a_scaled_run_keeps_its_batch_size(make_run: MakeRun, tmp_path: Path) -> None:
    own = lines([100, 700, 1300], [0.5, 0.6, 0.7])
    make_run([], lines=own, acquisition="badge", leaves={"scale": 0.1}, **COMMON)
    found = verdicts(read([tmp_path]).table, beck(2), scale=0.1)
    assert found.loc[found["n"] > 0, ["method", "test_set", "labelled"]].to_numpy().tolist() == [
        ["badge", "6,000", labels] for labels in (1000.0, 7000.0, 13_000.0)
    ]


def test_runs_meet_table_3_by_their_initial_rows(make_run: MakeRun, tmp_path: Path) -> None:
    for initial, accuracy in (("random", 0.54), ("facility_location", 0.62)):
        choices = {"initial": initial}
        folder = make_run([], lines=lines([1000], [accuracy]), acquisition="entropy", tag=initial, **COMMON)
        config = folder / "config.yaml"
        config.write_text(config.read_text().replace("choices:\n", f"choices:\n  initial: {choices['initial']}\n"))
        config.write_text(config.read_text() + f"initial: {{_target_: {initial}}}\n")
    found = verdicts(read([tmp_path]).table, beck(3)).set_index(["method", "test_set", "budget"])
    at = "1000 points"
    assert found.loc[("entropy", "random", at), "ours"] == pytest.approx(54.0)
    assert found.loc[("entropy", "random", at), "verdict"] == "within 1 point"
    assert found.loc[("entropy", "facility location", at), "verdict"] == "off"
    assert found.loc[("entropy", "dispersion-min", at), "verdict"] == "not run"


def test_runs_meet_table_13_by_method_and_round(make_run: MakeRun, tmp_path: Path) -> None:
    labels = [1000, 4000, 7000]
    seconds = {"fit": [9.0, 400.0, 1300.0], "score": [10.0, 10.0, 0.0], "select": [5.0, 21.0, 0.0]}
    make_run([], lines=lines(labels, [0.5] * 3, **seconds), acquisition="entropy", method="al", **COMMON)
    make_run([], lines=lines(labels, [0.5] * 3, **seconds), acquisition="entropy", method="al_ws", **COMMON)
    paper = beck(13)
    found = verdicts(read([tmp_path]).table, paper).set_index(["method", "test_set", "budget"])
    entropy = found.loc["entropy"]
    assert entropy.loc[("training, reset", "R1"), ["ours", "mean", "verdict"]].tolist() == [
        *(pytest.approx(400), 609.2, "within 2 times")
    ]
    assert entropy.loc[("training, update", "R2"), "ours"] == pytest.approx(1300)
    assert entropy.loc[("selection", "R1"), ["ours", "verdict"]].tolist() == [pytest.approx(15), "faster"]
    assert entropy.loc[("selection", "R2"), "ours"] == pytest.approx(31)
    assert math.isnan(entropy.loc[("selection", "R3"), "ours"])  # the last round selects nothing
    shown = verdict_table(found.reset_index(), paper)
    assert "part" in shown.columns
    assert any("The paper's setting: CIFAR-10 with ResNet-18" in note for note in shown.notes)
    assert any("The recipe differs from the paper: each seed" in note for note in shown.notes)


def test_runs_meet_table_12_by_their_mean_selection(make_run: MakeRun, tmp_path: Path) -> None:
    seconds = {"score": [10.0, 20.0, 0.0], "select": [1.0, 3.0, 0.0]}
    common = {"dataset": "mnist", "model": "lenet"}
    make_run([], lines=lines([50, 60, 70], [0.5] * 3, **seconds), acquisition="batch_bald", **common)
    found = verdicts(read([tmp_path]).table, beck(12)).set_index("method")
    assert found.loc["batch_bald", ["ours", "verdict"]].tolist() == [pytest.approx(17), "faster"]
    assert found.loc["bald", "verdict"] == "not run"


def test_runs_meet_table_14_by_method(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([], lines=lines([1000, 10_000], [0.5, 0.89]), acquisition="entropy", method="al", **COMMON)
    make_run([], lines=lines([1000, 10_000], [0.5, 0.80]), acquisition="entropy", method="al_gradmatch", **COMMON)
    found = verdicts(read([tmp_path]).table, beck(14)).set_index(["method", "test_set", "budget"])["verdict"]
    assert found["entropy", "full training", "10000 points"] == "within std"
    assert found["entropy", "GRAD-MATCH, 30 %", "10000 points"] == "off"


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [(1.0, 2.0, "within 2 times"), (0.9, 2.0, "faster"), (4.1, 2.0, "slower"), (np.nan, 2.0, None)],
)
def test_seconds_of_another_machine_are_compared_by_a_factor(ours: float, theirs: float, expected: str | None) -> None:
    assert pace(ours, theirs) == expected


def test_the_papers_seconds_bear_out_what_its_text_says_of_them() -> None:
    """Sec. 4.8: 8 h of training, 1 h of BADGE, 3 min of entropy; updating 1.07x. App. B.2: three slow acquisitions."""
    training, entropy, update = round_claims(beck(13).cells)
    assert [training.answer, entropy.answer, update.answer] == ["yes"] * 3
    assert training.because.startswith("BADGE: 28,109 s of training, 3,830 s of selecting; entropy: 28,645 s")
    assert entropy.because == "18.8x: 3,830 s against 203 s"  # the text: 20x
    assert update.because == "BADGE: 1.08x; entropy: 1.04x"  # the text: 1.07x, by hours 8 / 7.6 = 1.05x
    (slow,) = selection_claims(beck(12).cells)
    assert (slow.answer, slow.because) == ("yes", "BALD 529 s, GLISTER 62.7 s")


def test_claims_on_seconds_are_open_where_a_round_is_missing() -> None:
    paper = beck(13)
    fewer = paper.cells.assign(mean=paper.cells["mean"].where(paper.cells["budget"] != "R8"))
    assert {claim.answer for claim in round_claims(fewer)} == {"open"}
    assert [row[1].text for row in claims_table(fewer, paper).rows] == ["open"] * 3
    assert [row[3].text for row in claims_table(fewer, paper).rows] == ["yes"] * 3
    assert selection_claims(beck(12).cells.query("method != 'bald'"))[0].answer == "open"


def test_only_tables_of_corrupted_pictures_are_said_to_be_so() -> None:
    corrupted = {"cal/table7", "cal/table8"}
    tables = {name: paper_table(name) for name in (*corrupted, "beck/table13", "emam/table2", "cal/table1")}
    assert {name for name, table in tables.items() if table and table.is_corrupted} == corrupted
    assert {name for name, table in tables.items() if table and not table.has_sets} == {"cal/table1"}


def test_short_times_are_not_rounded_to_nothing() -> None:
    paper = beck(13)
    training, *_ = round_claims(paper.cells.assign(mean=paper.cells["mean"] / 1e4))
    assert training.because.startswith("BADGE: 2.8 s of training, 0.38 s of selecting")
