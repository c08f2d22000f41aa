"""Tables of Emam et al. 2021: the printed numbers, and our runs beside them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calrun.report.read.runs import read
from calrun.report.verdict.printed import paper_table
from calrun.report.verdict.verdict import verdict_table, verdicts
from calrun.sweep.reproduce import claims_table

MakeRun = Callable[..., Path]


def lines(accuracies: dict[int, dict[str, float]]) -> list[dict[str, object]]:
    return [
        {"round": number, "labelled": labelled, "test": {"test": own}, "seconds": {"fit": 1.0}}
        for number, (labelled, own) in enumerate(accuracies.items(), start=1)
    ]


def test_table_2_has_both_accuracies_of_both_rows() -> None:
    paper = paper_table("emam/table2")
    assert paper is not None
    cells = paper.cells.set_index(["method", "test_set", "budget"])["mean"]
    assert len(cells) == 24
    assert cells["base_balanced", "top-1", "0.9M (71%)"] == cells["random", "top-1", "All(100%)"] == 81.2
    assert cells["random", "top-5", "0.3M (24%)"] == 94.4 + 0.1


def test_table_1_adds_gains_to_randoms_accuracy() -> None:
    paper = paper_table("emam/table1")
    assert paper is not None
    found = {(row["method"], row["test_set"]): row["mean"] for row in paper.cells.to_dict("records")}
    assert found == {
        ("random", "random weights"): 50.0,
        ("vaal_emam", "random weights"): 51.5,
        ("random", "pre-trained"): pytest.approx(66.65),
    }


def test_figures_and_lost_tables_have_no_numbers() -> None:
    assert [paper_table(name) for name in ("emam/fig5", "emam/table9", "wen/table1", "other/table1")] == [None] * 4


def test_runs_meet_table_2_by_acquisition_labels_and_metric(make_run: MakeRun, tmp_path: Path) -> None:
    paper = paper_table("emam/table2")
    assert paper is not None
    common: dict[str, Any] = {"dataset": "imagenet", "model": "timm", "method": "linear_probe"}
    make_run([], lines=lines({300_000: {"accuracy": 0.789, "top5": 0.955}}), acquisition="base_balanced", **common)
    make_run([], lines=lines({300_000: {"accuracy": 0.60}}), acquisition="random", **common)
    found = verdicts(read([tmp_path]).table, paper).set_index(["method", "test_set", "budget"])
    at = "0.3M (24%)"
    assert found.loc[("base_balanced", "top-1", at), ["difference", "verdict"]].tolist() == [0.0, "within 1 point"]
    assert found.loc[("base_balanced", "top-5", at), "verdict"] == "off"
    assert found.loc[("random", "top-1", at), "verdict"] == "off"
    assert found.loc[("random", "top-5", at), "verdict"] == "not run"
    shown = verdict_table(found.reset_index(), paper)
    assert shown.title == "Emam et al. 2021, Table 2: imagenet, EsViT, linear evaluation, acquisitions compared"
    assert [cell.text for cell in shown.rows[0]][:3] == ["BASE", "0.3M (24%)", "top-1"]
    assert claims_table(paper.cells, paper).rows == []  # the claims are another paper's


def test_runs_meet_table_1_by_where_they_began(make_run: MakeRun, tmp_path: Path) -> None:
    paper = paper_table("emam/table1")
    assert paper is not None
    common: dict[str, Any] = {"dataset": "imagenet", "model": "resnet50", "method": "finetune"}

    def run(accuracy: float, acquisition: str, path: str | None) -> None:
        leaves = {"method": {"start": {"path": path}}}
        own = lines({288_262: {"accuracy": accuracy}})
        make_run([], lines=own, acquisition=acquisition, leaves=leaves, tag=f"{acquisition}-{path is None}", **common)

    run(0.50, "random", None)
    assert set(verdicts(read([tmp_path]).table, paper)["verdict"]) == {"not run"}
    run(0.66, "random", "moco.pt")
    run(0.53, "vaal_emam", None)
    found = verdicts(read([tmp_path]).table, paper).set_index(["method", "test_set"])["verdict"].to_dict()
    assert found == {
        ("random", "random weights"): "within 1 point",
        ("random", "pre-trained"): "within 1 point",
        ("vaal_emam", "random weights"): "off",
    }
