from collections.abc import Callable
from pathlib import Path

from calrun.report.measure.balance import balance_by_budget, class_histograms
from calrun.report.read.runs import read

MakeRun = Callable[..., Path]


def test_by_budget_over_seeds(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6], seed=0)
    make_run([0.5, 0.6], seed=1)
    balance = balance_by_budget(read([tmp_path]).table)
    assert balance["imbalance_ratio"].tolist() == [1.5, 1.5]
    assert balance["n"].tolist() == [2, 2]


def test_histograms_tell_labels_so_far_from_labels_bought(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6])
    frame = class_histograms(read([tmp_path]).table)
    assert frame["labels"].tolist() == [60, 40, 120, 80]
    assert frame["bought"].tolist() == [60, 40, 60, 40]
