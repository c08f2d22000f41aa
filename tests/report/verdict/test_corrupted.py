"""Tables 7 and 8 of Das et al. 2023: cells, claims and verdicts on corrupted test sets."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from calrun.report.measure.robustness import above_baseline, by_corruption
from calrun.report.read.runs import read
from calrun.report.verdict.corrupted import corruption_claims, difference_claims
from calrun.report.verdict.printed import PaperTable, paper_table
from calrun.report.verdict.verdict import ours_as_cells, verdict_table, verdicts
from calrun.sweep.reproduce import write_verdict

MakeRun = Callable[..., Path]


def table(number: int) -> PaperTable:
    found = paper_table(f"cal/table{number}")
    assert found is not None
    return found


def line(fog: float, snow: float, group: str = "cifar10_c", labelled: int = 25000) -> list[dict[str, object]]:
    own = {f"{group}/fog": fog, f"{group}/snow": snow, group: (fog + snow) / 2}
    test = {"test": {"accuracy": 0.94}} | {name: {"accuracy": accuracy} for name, accuracy in own.items()}
    clean = {"round": 1, "labelled": labelled // 2, "test": {"test": {"accuracy": 0.9}}}
    return [clean, {"round": 2, "labelled": labelled, "test": test}]


def test_table_7_has_a_cell_for_each_method_and_corruption() -> None:
    cells = table(7).cells
    assert len(cells) == 19 * 7
    (cell,) = cells[(cells["method"] == "cal_sds2") & (cells["test_set"] == "glass_blur")].to_dict("records")
    assert (cell["mean"], cell["std"], cell["labelled"]) == (53.9, 2.4, 25000)


def test_cells_of_table_7_meet_ours_by_method_and_corruption(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([], lines=line(0.866, 0.9))
    make_run([], lines=line(0.87, 0.8), method="cal_er")
    found = verdicts(read([tmp_path]).table, table(7))
    at = found.set_index(["method", "test_set"])
    assert at.loc[("al", "fog"), ["difference", "verdict"]].tolist() == [0.0, "within std"]
    assert at.loc[("al", "snow"), ["difference", "verdict"]].tolist() == [9.9, "off"]
    assert at.loc[("cal_er", "fog"), "ours_to_al"] == pytest.approx(0.4)
    assert at.loc[("cal_er", "fog"), "paper_to_al"] == pytest.approx(0.2)
    assert at.loc[("cal_er", "snow"), "verdict"] == "within std"
    assert (found["verdict"] == "not run").sum() == 19 * 7 - 4
    shown = verdict_table(found, table(7))
    row = next(row for row in shown.rows if row[2].text == "glass blur" and row[0].text == "CAL-SDS2")
    assert [cell.text for cell in row[1:6]] == ["50%", "glass blur", "0", "–", "53.9 ± 2.4"]
    assert len(row) == len(shown.columns) == sum(count for _, count in shown.groups)


def test_table_8_compares_the_sign_of_each_methods_mean_difference(make_run: MakeRun, tmp_path: Path) -> None:
    for seed in (0, 1):
        make_run([], lines=line(0.5, 0.7), seed=seed)
        make_run([], lines=line(0.52, 0.7 + 0.002 * seed), seed=seed, method="cal_sds2")  # +1.0 and +1.1 points
        make_run([], lines=line(0.5, 0.702), seed=seed, method="cal_er")  # +0.1 points, printed -0.34
    found = verdicts(read([tmp_path]).table, table(8)).set_index("method")
    assert found.loc["cal_sds2", "ours"] == pytest.approx(1.05)
    assert found.loc["cal_sds2", "ours_std"] == pytest.approx(np.std([1.0, 1.1], ddof=1))
    assert found.loc["cal_sds2", ["difference", "verdict"]].tolist() == [0.42, "same sign"]
    assert found.loc["cal_er", ["difference", "verdict"]].tolist() == [0.44, "other sign"]
    assert found.loc["cal_mir", "verdict"] == "not run"
    assert "1 same sign, 1 other sign, 4 not run" in verdict_table(found.reset_index(), table(8)).notes[0]


def test_made_corruptions_are_compared_and_marked(make_run: MakeRun, tmp_path: Path) -> None:
    for method, fog in (("al", 0.5), ("cal_sds2", 0.6)):
        make_run([], lines=line(fog, 0.7, group="cifar10_c_made"), method=method)
    printed = io.StringIO()
    console = Console(file=printed, width=300)
    write_verdict(read([tmp_path]), table(8), 1.0, tmp_path / "report", console)
    said = printed.getvalue()
    assert "corruptions made from the clean test set, without frost, in place of the published files" in said
    assert "CAL-SDS2 is more accurate than AL on average over the corruptions: open (+5.00 points, of one seed)" in said
    assert (tmp_path / "report/cal-table8-verdict-numbers.csv").exists()


def test_published_corruptions_win_over_made_ones(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([], lines=line(0.5, 0.7))
    make_run([], lines=line(0.9, 0.9, group="cifar10_c_made"), tag="made", leaves={"dataset": {"x": 1}})
    runs = read([tmp_path]).table
    assert by_corruption(runs)["fog"]["accuracy"].tolist() == [0.5]
    assert above_baseline(runs)["accuracy"].tolist() == [0.0]


def test_runs_without_corrupted_test_sets_are_not_run(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.9])
    for number in (7, 8):
        found = verdicts(read([tmp_path]).table, table(number))
        assert set(found["verdict"]) == {"not run"}
        assert table(number).claimed(ours_as_cells(found), 0.0) == []


def test_the_papers_own_numbers_answer_its_claims() -> None:
    below, highest, better = table(7).claimed(table(7).cells, 0.0)
    assert (below.answer, highest.answer, better.answer) == ("no", "yes", "yes")
    assert below.because.startswith("22 of 95 cells are: CAL-ER on defocus_blur")
    answers = {claim.text.partition(" is")[0]: claim.answer for claim in table(8).claimed(table(8).cells, 0.0)[:-1]}
    assert {name for name, answer in answers.items() if answer == "yes"} == {"CAL-SDS2", "CAL-MIR"}
    assert len(answers) == 6


def cells(means: dict[str, float], n: int = 3, std: float = 0.1) -> pd.DataFrame:
    rows = [(method, "50%", name, mean, std, n) for method, mean in means.items() for name in ("fog", "snow")]
    return pd.DataFrame(rows, columns=["method", "budget", "test_set", "mean", "std", "n"])


def test_averages_are_over_the_corruptions_that_all_methods_have() -> None:
    both = cells({"al": 50.0, "cal_sds2": 60.0, "cal_der": 55.0})
    lacking = both.copy()
    lacking.loc[(both["method"] == "cal_der") & (both["test_set"] == "fog"), "mean"] = np.nan
    lacking.loc[(both["method"] == "cal_sds2") & (both["test_set"] == "fog"), "mean"] = 0.0
    *_, better = corruption_claims(lacking)
    assert (better.answer, better.because) == ("yes", "60.00 against 55.00")


def test_one_seed_and_an_al_that_has_learnt_nothing_leave_claims_open() -> None:
    means = {"al": 19.0, "cal_sds2": 60.0, "cal_der": 55.0}
    assert {claim.answer for claim in corruption_claims(cells(means, n=1))} == {"open"}
    assert {claim.answer for claim in corruption_claims(cells(means), least=0.2)} == {"open"}
    assert {claim.answer for claim in corruption_claims(cells(means))} == {"yes"}


def test_a_difference_no_larger_than_its_deviation_is_open() -> None:
    answers = difference_claims(cells({"cal_sds2": 0.3, "cal_er": -0.05, "cal_der": -0.2}).query("test_set == 'fog'"))
    assert [claim.answer for claim in answers] == ["yes", "open", "no", "yes"]


def test_a_difference_from_an_al_that_has_learnt_nothing_is_open(make_run: MakeRun, tmp_path: Path) -> None:
    for seed in (0, 1):
        make_run([], lines=line(0.5, 0.7), seed=seed)
        make_run([], lines=line(0.6, 0.8 + 0.001 * seed), seed=seed, method="cal_er")
    ours = ours_as_cells(verdicts(read([tmp_path]).table, table(8)))
    assert set(ours["al_accuracy"]) == {94.0}
    assert [claim.answer for claim in difference_claims(ours, least=0.93)] == ["yes", "open"]
    (above, _) = difference_claims(ours, least=0.95)
    assert (above.answer, above.because) == ("open", "AL has 94.0 %; it says something from 95.0 % on")
