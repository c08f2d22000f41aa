"""The two numbers of the DISAL supplement, and our runs beside them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calrun.report.read.runs import read
from calrun.report.verdict.printed import paper_table
from calrun.report.verdict.supplement import SECOND, remark
from calrun.report.verdict.verdict import verdict_table, verdicts

MakeRun = Callable[..., Path]


def lines(accuracy: float) -> list[dict[str, object]]:
    return [
        {"round": number, "labelled": labelled, "test": {"test": {"accuracy": own}}, "seconds": {"fit": 1.0}}
        for number, (labelled, own) in enumerate({5000: accuracy / 2, 20_000: accuracy}.items(), start=1)
    ]


def test_the_two_numbers_are_those_of_imagenet100() -> None:
    paper = paper_table("disal/imagenet100")
    assert paper is not None
    assert paper.cells[["method", "labelled"]].to_numpy().tolist() == [
        ["disal_reconstructed", 20_000],
        [SECOND, 20_000],
    ]
    assert paper.cells["mean"].tolist() == [68.16, pytest.approx(67.08)]


@pytest.mark.parametrize("name", ["disal/cifar10", "disal/cifar10_ir100", "disal/cityscapes"])
def test_the_other_recipes_have_none_and_say_so(name: str) -> None:
    assert paper_table(name) is None
    assert remark(name).endswith("none of this data set, which has only a figure")
    assert remark("cal/table1") == ""


def test_the_best_of_the_others_meets_the_second_number(make_run: MakeRun, tmp_path: Path) -> None:
    paper = paper_table("disal/imagenet100")
    assert paper is not None
    common: dict[str, Any] = {"dataset": "imagenet100", "model": "resnet18_224", "method": "al"}
    assert set(verdicts(read([make_run([], lines=lines(0.60), acquisition="random", **common)]).table, paper)["n"]) == {
        0,
        1,
    }
    make_run([], lines=lines(0.675), acquisition="tidal", **common)
    make_run([], lines=lines(0.69), acquisition="disal_reconstructed", **common)
    found = verdicts(read([tmp_path]).table, paper).set_index("method")
    assert found.loc["disal_reconstructed", ["ours", "verdict"]].tolist() == [pytest.approx(69.0), "within 1 point"]
    assert found.loc[SECOND, "ours"] == pytest.approx(67.5)
    shown = verdict_table(found.reset_index(), paper)
    assert shown.title.startswith("DISAL supplement 2024, Sec. 2.1: imagenet100, resnet18")
    assert any("a reconstruction" in note for note in shown.notes)
