from collections.abc import Callable
from pathlib import Path

import pytest

from calrun.report.read.runs import read
from calrun.report.verdict.printed import paper_table
from calrun.report.verdict.verdict import verdict, verdict_table, verdicts

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
    table_shown = verdict_table(found, paper, 0.1, ["model mlp in place of resnet18"])
    assert table_shown.notes[0] == "NOT THE PAPER'S SETTING: model mlp in place of resnet18."
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


def test_a_cell_says_how_long_and_how_well_our_runs_were_trained(make_run: MakeRun, tmp_path: Path) -> None:
    paper = paper_table("cal/table1")
    assert paper is not None
    own = [line | {"epochs": 40, "train_accuracy": 0.62} for line in lines({3500: 0.9, 7000: 0.9}, 1.0)]
    make_run([], lines=own, method="cal_mir", dataset="fmnist")
    table = verdict_table(verdicts(read([tmp_path]).table, paper), paper)
    (row,) = [row for row in table.rows if row[0].text == "CAL-MIR" and row[1].text == "10%"]
    assert [cell.text for cell in row[-2:]] == ["80", "62.0"]
    assert row[4].text == "92.6 ± 0.3 *"
    assert any(note.startswith("* CAL-MIR: the authors' code draws") for note in table.notes)
