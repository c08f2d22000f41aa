from collections.abc import Callable
from pathlib import Path

import numpy as np

from calrun.report.answers import answer_tables
from calrun.report.panels import panels
from calrun.report.runs import read
from calrun.report.tables import Table

MakeRun = Callable[..., Path]


def tables_of(folder: Path) -> dict[str, Table]:
    runs = read([folder])
    found = panels(runs.table)
    return {
        table.title.split(": ")[1]: table
        for panel in found
        for table in answer_tables(panel, "al", runs.test_entropies())
    }


def row(table: Table, label: str) -> list[str]:
    (cells,) = [row for row in table.rows if row[0].text == label]
    return [cell.text for cell in cells[1:]]


def test_one_seed_is_untested_and_its_area_says_n(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.8])
    make_run([0.5, 0.9], method="cal_er")
    table = tables_of(tmp_path)["against AL"]
    assert row(table, "CAL-ER")[:6] == ["70.0 (n=1)", "+10.0", "1", "–", "–", "untested"]


def test_an_accuracy_random_never_reaches_gives_a_lower_bound(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6, 0.7], acquisition="random")
    make_run([0.5, 0.7, 0.9], acquisition="entropy")
    table = tables_of(tmp_path)["labels saved against random"]
    assert row(table, "entropy") == ["1.00× (n=1)", "1.50× (n=1)", "> 1.00× (n=1)", "16.7 (n=1)", "2 of 3"]


def test_class_balance_is_infinite_while_a_class_is_missing(make_run: MakeRun, tmp_path: Path) -> None:
    line = {"round": 1, "labelled": 5, "test": {"test": {"accuracy": 0.5}}, "class_counts": [5, 0]}
    make_run([], lines=[line])
    table = tables_of(tmp_path)["class balance of the labels"]
    assert row(table, "AL") == ["1", "∞", "0.000"]


def test_other_test_sets_and_their_mean_difference(make_run: MakeRun, tmp_path: Path) -> None:
    for method, fog in (("al", 0.5), ("cal_er", 0.6)):
        test = {"test": {"accuracy": 0.9}, "fog": {"accuracy": fog}}
        make_run([], lines=[{"round": 1, "labelled": 5, "test": test}], method=method)
    table = tables_of(tmp_path)["other test sets at 5 labels"]
    assert row(table, "CAL-ER") == ["60.0 (n=1)", "+10.00"]


def test_entropies_of_two_methods_are_correlated(make_run: MakeRun, tmp_path: Path) -> None:
    for method in ("al", "cal_er"):
        folder = make_run([0.5], method=method)
        (folder / "round-1").mkdir()
        np.save(folder / "round-1" / "test_entropy.npy", np.array([0.1, 0.2, 0.7]))
    table = tables_of(tmp_path)["correlation of test entropies"]
    assert row(table, "CAL-ER") == ["–", "1.00"]
