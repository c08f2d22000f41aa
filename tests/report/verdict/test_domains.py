"""Several data sets side by side with the paper's."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calrun.report.main import report

MakeRun = Callable[..., Path]
DER = [1.4, 2.0, 2.4, 2.7, 3.1], [1.3, 1.9, 2.2, 2.6, 3.0]  # speed-ups of Tables 1 and 3


def rows_in(path: Path) -> dict[str, list[str]]:
    """Returns the cells after the first of each row of a written table, by the first."""
    with path.open(newline="") as file:
        return {row[0]: row[1:] for row in csv.reader(file)}


def two_data_sets(make_run: MakeRun, other: str) -> None:
    for dataset, faster in (("fmnist", 2.0), (other, 4.0)):
        make_run([0.5, 0.8, 0.8], dataset=dataset, model="cnn", seconds=[10, 10, 10])
        make_run([0.5, 0.8, 0.8], dataset=dataset, model="cnn", method="cal_er", seconds=[10 / faster] * 3)
        lesser = [0.45, 0.72, 0.72]
        make_run(lesser, dataset=dataset, model="cnn", method="cal_der", seconds=[10 / faster] * 3)


def test_ours_stand_beside_the_papers_means_over_budgets_and_data_sets(make_run: MakeRun, tmp_path: Path) -> None:
    two_data_sets(make_run, "dermamnist")
    report([tmp_path / "outputs"], tmp_path / "out")
    rows = rows_in(tmp_path / "out" / "overview-speed-up.csv")
    paper = [sum(each) / 5 for each in DER]
    derma, fmnist = f"{paper[1]:.1f}×", f"{paper[0]:.1f}×"
    assert rows["CAL-DER"] == ["4.0×", derma, "2.0×", fmnist, "3.0×", f"{sum(paper) / 2:.1f}×"]
    assert "AL" not in rows
    accuracy = rows_in(tmp_path / "out" / "overview-accuracy.csv")["CAL-DER"]
    assert accuracy[0::2] == ["0.900"] * 3
    assert 'id="across"' in (tmp_path / "out" / "report.html").read_text()


def test_a_data_set_that_the_paper_lacks_has_no_number_of_it_and_no_mean(make_run: MakeRun, tmp_path: Path) -> None:
    two_data_sets(make_run, "digits")
    report([tmp_path / "outputs"], tmp_path / "out")
    cells = rows_in(tmp_path / "out" / "overview-speed-up.csv")["CAL-DER"]
    assert cells == ["4.0×", "–", "2.0×", "2.3×", "3.0×", "–"]


@pytest.mark.parametrize("options", [{"acquisition": "margin"}, {"baseline": "al_ws"}])
def test_the_papers_numbers_are_those_of_entropy_over_al(
    options: dict[str, str], make_run: MakeRun, tmp_path: Path
) -> None:
    baseline = options.pop("baseline", "al")
    for dataset in ("fmnist", "dermamnist"):
        for method, seconds in ((baseline, 10), ("cal_der", 5)):
            make_run([0.5, 0.8], dataset=dataset, method=method, seconds=[seconds] * 2, **options)
    report([tmp_path / "outputs"], tmp_path / "out", baseline)
    assert rows_in(tmp_path / "out" / "overview-speed-up.csv")["CAL-DER"][1::2] == ["–"] * 3


def test_one_data_set_has_no_such_table(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.8])
    make_run([0.5, 0.8], method="cal_er")
    report([tmp_path / "outputs"], tmp_path / "out")
    assert not list((tmp_path / "out").glob("overview-*"))


def test_a_data_set_stands_for_one_of_the_papers(
    make_run: MakeRun, calrun: Callable[..., Any], refusal: Callable[..., str], tmp_path: Path
) -> None:
    two_data_sets(make_run, "digits")
    outputs = str(tmp_path / "outputs")
    answer = calrun("report", outputs, "--stand-in", "digits=dermamnist")
    assert answer.code == 0, answer.err
    cells = rows_in(tmp_path / "outputs" / "report" / "overview-speed-up.csv")["CAL-DER"]
    assert cells[:2] == ["4.0×", f"{sum(DER[1]) / 5:.1f}×"]
    assert "digits, cnn: beside the paper's dermamnist, for which it stands" in answer.out
    for wrong in ("digits=bananas", "mnist=hcl", "digits"):
        assert "wants --stand-in OURS=PAPER" in refusal("report", outputs, "--stand-in", wrong)
