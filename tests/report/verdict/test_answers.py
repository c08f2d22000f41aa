from collections.abc import Callable
from pathlib import Path

import numpy as np

from calrun.report.draw.panels import panels
from calrun.report.measure.power import detectable
from calrun.report.read.runs import read
from calrun.report.table.tables import Table
from calrun.report.verdict.answers import answer_tables

MakeRun = Callable[..., Path]


def tables_of(folder: Path) -> dict[str, Table]:
    runs = read([folder])
    found = panels(runs.table)
    return {
        table.title.split(": ")[1]: table
        for panel in found
        for table in answer_tables(panel, "al", runs.test_entropies()[0])
    }


def row(table: Table, label: str) -> list[str]:
    (cells,) = [row for row in table.rows if row[0].text == label]
    return [cell.text for cell in cells[1:]]


def test_one_seed_is_untested_and_its_area_says_n(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.8])
    make_run([0.5, 0.9], method="cal_er")
    table = tables_of(tmp_path)["against AL"]
    assert row(table, "CAL-ER")[:7] == ["70.0 (n=1)", "+10.0", "1", "–", "–", "–", "untested"]


def test_a_difference_stands_beside_what_its_seeds_could_tell(make_run: MakeRun, tmp_path: Path) -> None:
    for seed, noise in enumerate((0.0, 0.01, 0.02)):
        make_run([0.5, 0.8], seed=seed)
        make_run([0.5, 0.8 + noise], seed=seed, method="cal_er")
    table = tables_of(tmp_path)["against AL"]
    assert table.columns[4] == "could tell"
    assert row(table, "CAL-ER")[1:4] == ["+1.0", "3", f"{100 * 0.01 * detectable(3):.1f}"]


def test_an_accuracy_random_never_reaches_gives_a_lower_bound(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6, 0.7], acquisition="random")
    make_run([0.5, 0.7, 0.9], acquisition="entropy")
    table = tables_of(tmp_path)["labels saved against random"]
    assert row(table, "entropy") == [
        "1.00× (n=1)",
        "1.50× (n=1)",
        "> 1.00× (n=1)",
        "1.50× (n=1)",
        "16.7 (n=1)",
        "2 of 3",
    ]


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
    assert row(table, "CAL-ER") == ["60.0 (n=1)", "+10.00 (n=1)"]


def fog(accuracy: float) -> list[dict[str, object]]:
    return [{"round": 1, "labelled": 5, "test": {"test": {"accuracy": 0.9}, "fog": {"accuracy": accuracy}}}]


def test_the_difference_on_other_test_sets_is_paired_by_seed(make_run: MakeRun, tmp_path: Path) -> None:
    for seed, accuracy in ((0, 0.5), (1, 0.9)):
        make_run([], lines=fog(accuracy), seed=seed)
    make_run([], lines=fog(0.6), seed=0, method="cal_er")
    make_run([], lines=fog(0.6), seed=7, method="cal_er")
    table = tables_of(tmp_path)["other test sets at 5 labels"]
    assert row(table, "CAL-ER") == ["60.0 ± 0.0 (n=2)", "+10.00 (n=1)"]  # not 60 minus AL's mean of 70


def test_two_settings_of_the_baseline_leave_no_difference(make_run: MakeRun, tmp_path: Path) -> None:
    for lr, accuracy in ((0.1, 0.5), (0.2, 0.7)):
        make_run([], lines=fog(accuracy), tag=lr, leaves={"method": {"lr": lr}})
    make_run([], lines=fog(0.8), method="cal_er")
    table = tables_of(tmp_path)["other test sets at 5 labels"]
    assert row(table, "CAL-ER") == ["80.0 (n=1)", "–"]


def test_rounds_with_a_saving_are_those_of_the_seeds_that_have_one(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6, 0.7], acquisition="random")
    for seed in (0, 1):  # random has no seed 1
        make_run([0.5, 0.7, 0.9], acquisition="entropy", seed=seed)
    table = tables_of(tmp_path)["labels saved against random"]
    assert row(table, "entropy")[-2:] == ["16.7 (n=1)", "2 of 3"]


def test_entropies_of_two_methods_are_correlated(make_run: MakeRun, tmp_path: Path) -> None:
    for method in ("al", "cal_er"):
        folder = make_run([0.5], method=method)
        (folder / "round-1").mkdir()
        np.save(folder / "round-1" / "test_entropy.npy", np.array([0.1, 0.2, 0.7]))
    table = tables_of(tmp_path)["correlation of test entropies"]
    assert row(table, "CAL-ER") == ["–", "1.00"]
    assert table.notes[-1] == "Positive for every pair in every round: yes (least 1.00, of AL and CAL-ER in round 1)."


def test_a_pair_that_is_not_correlated_positively_in_one_round_is_named(make_run: MakeRun, tmp_path: Path) -> None:
    entropy_N = np.array([0.1, 0.2, 0.7])
    for method, sign in (("al", 1), ("cal_er", -1), ("cal_sd", 1)):
        folder = make_run([0.5, 0.6], method=method)
        for number in (1, 2):
            (folder / f"round-{number}").mkdir()
            np.save(folder / f"round-{number}" / "test_entropy.npy", (sign if number == 2 else 1) * entropy_N)
    table = tables_of(tmp_path)["correlation of test entropies"]
    assert row(table, "AL") == ["0.00", "1.00", "–"]
    assert "every round: no (least -1.00, of AL and CAL-ER in round 2)" in table.notes[-1]


def test_correlated_settings_are_printed_as_elsewhere(make_run: MakeRun, tmp_path: Path) -> None:
    for alpha in (1, 2):
        folder = make_run([0.5], method="cal_sd", tag=alpha, leaves={"method": {"alpha": alpha}})
        (folder / "round-1").mkdir()
        np.save(folder / "round-1" / "test_entropy.npy", np.array([0.1, 0.2, 0.7]))
    table = tables_of(tmp_path)["correlation of test entropies"]
    assert table.columns == ["method", "CAL-SD (alpha=1)", "CAL-SD (alpha=2)"]
