"""Tables of Wen et al. 2024: sample saving ratios by hand, and our runs beside the printed ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calrun.report.read.runs import read
from calrun.report.verdict.alignments import variant_of
from calrun.report.verdict.printed import paper_table
from calrun.report.verdict.verdict import verdicts

MakeRun = Callable[..., Path]


def lines(accuracies: dict[int, float]) -> list[dict[str, object]]:
    return [
        {"round": number, "labelled": labelled, "test": {"test": {"accuracy": accuracy}}, "seconds": {"fit": 1.0}}
        for number, (labelled, accuracy) in enumerate(accuracies.items(), start=1)
    ]


@pytest.mark.parametrize("number", [8, 9, 10])
def test_every_table_has_four_settings_of_three_data_sets(number: int) -> None:
    paper = paper_table(f"wen/table{number}")
    assert paper is not None
    assert len(paper.cells) == 12
    assert set(paper.cells["test_set"]) == {"cifar10", "cifar100", "pets"}
    assert paper.cells.groupby("test_set")["variant"].nunique().tolist() == [4, 4, 4]


def test_the_acquisitions_are_ours() -> None:
    tables = [paper_table(f"wen/table{number}") for number in (8, 9, 10)]
    assert [table.acquisition for table in tables if table] == ["badge", "least_confidence", "activeft"]


def test_savings_are_against_random_rows_fine_tuned(make_run: MakeRun, tmp_path: Path) -> None:
    paper = paper_table("wen/table8")
    assert paper is not None
    common: dict[str, Any] = {"dataset": "pets", "model": "resnet50"}

    def run(method: str, acquisition: str, accuracies: dict[int, float], **alignment: bool) -> None:
        leaves = {"method": {"name": method, **alignment}}
        tag = f"{method}-{'-'.join(map(str, alignment.values()))}"
        make_run([], lines=lines(accuracies), method=method, acquisition=acquisition, leaves=leaves, tag=tag, **common)

    run("finetune", "random", {1_000: 0.5, 2_000: 0.6})
    run("asvp", "badge", {1_000: 0.5, 2_000: 0.9}, feature_alignment=False, training_alignment=False)
    run("asvp", "badge", {1_000: 0.55, 2_000: 0.6}, feature_alignment=True, training_alignment=True)
    for feature in (False, True):
        run("asvp", "badge", {1_000: 0.4}, feature_alignment=feature, training_alignment=not feature)
    found = verdicts(read([tmp_path]).table, paper).set_index(["test_set", "variant"])
    neither, both = (found.loc[("pets", variant_of(on, on))] for on in (False, True))
    assert neither["ours"] == 0.0  # its last accuracy is beyond random's curve and is left out
    assert both["ours"] == pytest.approx(100 * np.mean([500 / 1_500, 0.0]))
    assert both["verdict"] == "off"
    assert (found["verdict"] == "not run").sum() == 10  # below random's curve nothing is known either
