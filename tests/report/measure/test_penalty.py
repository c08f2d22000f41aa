from collections.abc import Callable
from pathlib import Path

from calrun.report.draw.panels import panels
from calrun.report.measure.penalty import penalty_table
from calrun.report.read.runs import read

MakeRun = Callable[..., Path]


def test_matrix_with_the_means_of_rows_and_columns(make_run: MakeRun, tmp_path: Path) -> None:
    for seed in range(3):
        make_run([0.5, 0.7 + seed / 1000], seed=seed, acquisition="random")
        make_run([0.5, 0.8 + seed / 500], seed=seed, acquisition="entropy")
        make_run([0.9 + seed / 400, 0.9 + seed / 400], seed=seed, acquisition="margin")
    (table,) = penalty_table(list(panels(read([tmp_path]).table))[-1])
    assert table.columns == ["acquisition", "entropy", "margin", "random", "mean"]
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["entropy", "–", "0.00", "0.50", "0.25"],
        ["margin", "1.00", "–", "1.00", "1.00"],
        ["random", "0.00", "0.00", "–", "0.00"],
        ["mean", "0.50", "0.00", "0.75", ""],
    ]
    assert "n=3" in table.notes[0]


def test_one_seed_has_no_matrix(make_run: MakeRun, tmp_path: Path) -> None:
    for acquisition in ("random", "entropy"):
        make_run([0.5], acquisition=acquisition)
    assert list(penalty_table(list(panels(read([tmp_path]).table))[-1])) == []
