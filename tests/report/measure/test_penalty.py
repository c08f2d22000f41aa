from collections.abc import Callable
from pathlib import Path

from calrun.report.draw.panels import panels
from calrun.report.measure.penalty import penalty_table
from calrun.report.read.runs import read
from tests.report.conftest import round_line

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


def test_settings_of_one_name_are_rows_of_their_own(make_run: MakeRun, tmp_path: Path) -> None:
    """Beck et al. 2021, Fig. 13b: entropy with SGD above entropy with Adam in all rounds but the shared first one."""
    for seed in range(3):
        for optimizer, gain in (("sgd", 0.1), ("adam", 0.0)):
            later = [0.6 + gain + seed / (100 if gain else 200)] * 8
            leaves = {"optimizer": {"name": optimizer}}
            make_run([0.5, *later], seed=seed, leaves=leaves, tag=optimizer)
    (table,) = penalty_table(list(panels(read([tmp_path]).table))[-1])
    assert [[cell.text for cell in row[:3]] for row in table.rows[:2]] == [
        ["AL (name=adam)", "–", "0.00"],
        ["AL (name=sgd)", "0.89", "–"],
    ]


def test_batch_sizes_meet_at_the_budgets_that_both_have(make_run: MakeRun, tmp_path: Path) -> None:
    """Fig. 14a: of rounds at 100, 200, 300 and at 100, 300 two can be compared."""
    for seed in range(3):
        make_run([0.5, 0.6, 0.7 + seed / 100], seed=seed, leaves={"budget": {"step": 100}}, tag="100")
        lines = [round_line(1, 0.5), round_line(2, 0.6 + seed / 200, labelled=300)]
        make_run([], lines=lines, seed=seed, leaves={"budget": {"step": 200}}, tag="200")
    (table,) = penalty_table(list(panels(read([tmp_path]).table))[-1])
    assert [cell.text for cell in table.rows[0][:3]] == ["AL (step=100)", "–", "0.50"]
