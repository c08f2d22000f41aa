import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from calrun.report.draw.panels import panels
from calrun.report.page.render import latex, to_csv, to_latex, to_markdown, to_text
from calrun.report.read.runs import read
from calrun.report.table.tables import Cell, Table, comparison, ratio_text, shown_budgets, tidy
from tests.report.conftest import round_line

MakeRun = Callable[..., Path]


def table_of(folder: Path) -> Table:
    (panel,) = panels(read([folder]).table)
    return comparison(panel)


def texts(table: Table) -> dict[str, list[str]]:
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def test_accuracy_then_cumulative_speed_up_as_in_the_paper(make_run: MakeRun, tmp_path: Path) -> None:
    for seed in (0, 1):
        make_run([0.5, 0.8 + seed / 100], seed=seed, seconds=[10, 30])
        make_run([0.5, 0.9], seed=seed, seconds=[10, 10], method="cal_er")
    table = table_of(tmp_path)
    budgets, work = ["100\n10 %", "200\n20 %"], ["epochs", "train accuracy\nin %"]
    assert table.columns == ["method", "n", *budgets, "200", "steps", "samples", *work]  # round 1 has no speed-up
    assert texts(table) == {
        "CAL-ER": ["2", "50.0 ± 0.0", "90.0 ± 0.0", "2.0×", "1.0×", "1.0×", "20", "99.0"],
        "AL": ["2", "50.0 ± 0.0", "80.5 ± 0.7", "1.0×", "1.0×", "1.0×", "20", "99.0"],
    }


def test_what_reads_the_labels_of_the_pool_is_marked_and_explained(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5], acquisition="random")
    make_run([0.6], acquisition="balancing", leaves={"cheats": ["acquisition"]})
    for by_class in (False, True):
        leaves = {"acquisition": {"class_conditional": by_class}, "cheats": ["acquisition"] * by_class}
        make_run([0.7], acquisition="facility_location", tag=by_class, leaves=leaves)
    (panel,) = [panel for panel in panels(read([tmp_path]).table) if panel.rows == "acquisition"]
    table = comparison(panel)
    assert list(texts(table)) == [
        "facility location (class_conditional=False)",
        "facility location (class_conditional=True, oracle)",
        "balancing sampler (oracle)",
        "random",
    ]
    assert any(note.startswith("Oracle: ") for note in table.notes)


def test_one_that_reads_labels_alone_is_marked_too_whatever_its_name(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.7], acquisition="my_own", leaves={"cheats": ["acquisition"]})
    assert list(texts(table_of(tmp_path))) == ["AL (oracle)"]


def test_the_greedy_one_is_called_a_reference_and_no_ceiling(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.7], acquisition="random", method="ridge")
    make_run([0.9], acquisition="oracle_greedy", method="ridge", leaves={"cheats": ["acquisition"]})
    (panel,) = [panel for panel in panels(read([tmp_path]).table) if panel.rows == "acquisition"]
    assert any(
        "a reference for a ridge head on fixed features, not a ceiling" in note for note in comparison(panel).notes
    )


def test_initial_rows_chosen_by_class_are_said_of_the_runs_that_have_them(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.7], leaves={"cheats": ["initial"]})
    make_run([0.7], method="cal_er")
    table = table_of(tmp_path)
    assert list(texts(table)) == ["CAL-ER", "AL"]
    assert any(note.startswith("Initial rows of 1 of 2 runs: chosen by their classes") for note in table.notes)


def test_without_an_oracle_none_is_mentioned(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.7], acquisition="dispersion_min", leaves={"acquisition": {"class_conditional": False}})
    table = table_of(tmp_path)
    assert list(texts(table)) == ["AL"]
    assert not any("racle" in note for note in table.notes)


def test_best_is_bold_and_so_are_ties_as_printed_but_no_whole_column(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.50001, 0.8])
    make_run([0.5, 0.9], method="cal_er")
    make_run([0.5, 0.90001], method="cal_sd")
    table = table_of(tmp_path)
    bold = {row[0].text: [cell.bold for cell in row[2:4]] for row in table.rows}
    assert bold == {"CAL-ER": [False, True], "CAL-SD": [False, True], "AL": [False, False]}
    assert any("Bold: the highest of its column" in note for note in table.notes)


def test_one_seed_is_a_number_and_not_a_mean(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5])
    assert texts(table_of(tmp_path))["AL"][:2] == ["1", "50.0"]


def test_missing_budgets_and_unequal_seeds_show_their_n(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.8], seed=0)
    make_run([0.7], seed=1)
    make_run([0.6], seed=0, method="cal_er")
    rows = texts(table_of(tmp_path))
    assert rows["AL"][:3] == ["1–2", "60.0 ± 14.1", "80.0 (n=1)"]
    assert rows["CAL-ER"] == ["1", "60.0", "–", "1.0×", *["–"] * 3, "10", "99.0"]


def test_a_ratio_of_fewer_pairs_than_seeds_shows_its_n(make_run: MakeRun, tmp_path: Path) -> None:
    for seed in (0, 1, 2):
        make_run([0.5], seed=seed, seconds=[5], method="cal_er")
    for seed in (0, 1):
        make_run([0.6], seed=seed, seconds=[10])
    rows = texts(table_of(tmp_path))
    assert rows["CAL-ER"][0] == "3"
    assert rows["CAL-ER"][2:5] == ["2.0× (n=2)", "1.0× (n=2)", "1.0× (n=2)"]


def test_csv_holds_the_printed_cells_under_one_heading_line(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6])
    make_run([0.5, 0.6], method="cal_er")
    header, _, row = list(csv.reader(io.StringIO(to_csv(table_of(tmp_path)))))
    assert header[:3] == ["method", "n", "test accuracy in %: 100, 10 %"]
    assert header[4] == "fit time, AL / method: 200"
    assert row[:5] == ["AL", "1", "50.0", "60.0", "1.0×"]


def test_without_the_baseline_there_are_no_speed_ups_and_a_note_says_so(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5], method="cal_er")
    table = table_of(tmp_path)
    assert table.columns[:3] == ["method", "n", "100\n10 %"]
    assert any("no run of 'al'" in note for note in table.notes)


def test_several_acquisitions_also_stand_against_each_other(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5])
    make_run([0.4], acquisition="random")
    (alone,) = panels(read([tmp_path]).table)  # a table of one line for each of them would say nothing more
    assert (alone.rows, alone.fixed) == ("acquisition", "al")
    assert list(texts(comparison(alone))) == ["entropy", "random"]
    make_run([0.4], method="cal_er")
    found = list(panels(read([tmp_path]).table))
    assert [(panel.rows, panel.fixed) for panel in found] == [("method", "entropy"), ("acquisition", "al")]


def test_a_single_line_keeps_its_panel_where_it_recorded_accuracy_by_round(make_run: MakeRun, tmp_path: Path) -> None:
    for acquisition in ("entropy", "random"):
        line = {"round": 1, "labelled": 7, "test": {"test": {"accuracy": 0.5}}, "accuracy_by_round": [0.5]}
        make_run([], lines=[line], acquisition=acquisition)
    assert [panel.fixed for panel in panels(read([tmp_path]).table)] == ["entropy", "random", "al"]


def test_budgets_stand_in_one_table_and_pair_only_with_their_own(make_run: MakeRun, tmp_path: Path) -> None:
    for step, seconds in ((1, 20.0), (2, 60.0)):
        leaves = {"budget": {"step": step}}
        make_run([0.5, 0.8], tag=step, seconds=[10, seconds], leaves=leaves)
        make_run([0.5, 0.9], tag=step, seconds=[10, 10], method="cal_er", leaves=leaves)
    rows = texts(table_of(tmp_path))
    assert list(rows) == ["CAL-ER (step=1)", "CAL-ER (step=2)", "AL (step=1)", "AL (step=2)"]
    assert [rows[f"CAL-ER (step={step})"][3] for step in (1, 2)] == ["1.5×", "3.5×"]


def test_markdown_shows_no_html_no_formula_and_no_signs_of_its_own(make_run: MakeRun, tmp_path: Path) -> None:
    for method in ("<b>x</b>", "=1+1", "a|b", "_c_", "my_method", "@d"):
        make_run([0.5], method=method, folder=str(len(method) + ord(method[0])))
    text = to_markdown(table_of(tmp_path))
    names = [re.split(r"(?<!\\)\|", line)[1].strip() for line in text.splitlines() if line.startswith("|")][2:]
    assert sorted(names) == ["&lt;b>x&lt;/b>", "'=1+1", "'@d", "\\_c\\_", "a\\|b", "my_method"]


def test_csv_has_formulas_in_no_text_and_signs_in_numbers() -> None:
    rows = [[Cell("-al"), Cell("-0.4", -0.4)], [Cell("=HYPERLINK()"), Cell("+0.1 (n=2)", 0.1)]]
    assert to_csv(Table("t", "t", [("", 2)], ["@method", "difference"], rows)).splitlines() == [
        "'@method,difference",
        "'-al,-0.4",
        "'=HYPERLINK(),+0.1 (n=2)",
    ]


def test_a_row_that_begins_with_a_bracket_is_no_argument_of_tex() -> None:
    assert to_latex(Table("t", "t", [("", 1)], ["m"], [[Cell("[a]")], [Cell("*b")]])).count("\n{}") == 2


def test_a_narrow_terminal_keeps_columns_aligned() -> None:
    rows = [[Cell("a"), Cell("1.0 ± 0.1", 1.0)], [Cell("b"), Cell("12.0 ± 0.1", 12.0)]]
    text = to_text(Table("t", "t", [("", 2)], ["m", "x"], rows), encoding="ascii").plain
    text.encode("ascii")
    assert len({len(line) for line in text.splitlines()[3:7]}) == 1


def test_wide_tables_keep_the_last_budget_and_even_steps() -> None:
    assert shown_budgets(list(range(1, 11))) == [2, 4, 6, 8, 10]
    assert shown_budgets([5, 7]) == [5, 7]


def test_latex_is_booktabs_with_as_many_cells_as_columns(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6])
    make_run([0.5, 0.7], method="my_method")
    latex = to_latex(table_of(tmp_path))
    assert r"my\_method" in latex
    assert r"\textbf{70.0}" in latex
    assert r"\toprule" in latex
    body = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert {line.count("&") + line.count("multicolumn{2}") for line in body} == {8}


def test_markdown_rows_have_the_heading_s_width(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6])
    make_run([0.5, 0.6], method="cal_er")
    lines = [line for line in to_markdown(table_of(tmp_path)).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {10}


def test_tidy_holds_unrounded_numbers_for_every_budget(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.123456, 0.6])
    frame: pd.DataFrame = tidy(read([tmp_path]).table)
    assert frame["accuracy_mean"].tolist() == [12.3456, 60.0]
    assert frame["time_ratio"].fillna(0).tolist() == [0, 1.0]


def test_energy_stands_in_the_table_only_where_a_run_recorded_it(make_run: MakeRun, tmp_path: Path) -> None:
    for seed in (0, 1):
        make_run([0.5, 0.6], seed=seed, kwh=[0.001, 0.002])
    make_run([0.5, 0.6], method="cal_er")
    make_run([0.5, 0.6], method="cal_der", kwh=[0.0005, 0.001])
    make_run([0.5, 0.6], method="cal_der", seed=1)
    table = table_of(tmp_path)
    assert [table.columns[-4], table.columns[-1]] == ["energy", "energy\nWh"]
    assert {label: [cells[-4], cells[-1]] for label, cells in texts(table).items()} == {
        "AL": ["1.0×", "3"],
        "CAL-ER": ["–", "–"],
        "CAL-DER": ["2.0× (n=1)", "1.5 (n=1)"],
    }
    numbers = tidy(read([tmp_path]).table).set_index(["method", "labelled"])
    assert numbers.loc[("al", 200), ["energy_kwh_mean", "energy_kwh_n", "energy_ratio"]].tolist() == [0.003, 2, 1.0]


def test_signs_are_those_that_tex_prints() -> None:
    assert latex("> 1.25× (n=1)") == r"$>$ 1.25$\times$ (n=1)"
    assert latex("∞ while a|b < c") == r"$\infty$ while a$|$b $<$ c"
    assert [latex(text) for text in ("-0.4 ± 0.1", "k-means", "1e-05", "n=2–3")] == [
        r"$-$0.4 $\pm$ 0.1",
        "k-means",
        "1e-05",
        "n=2--3",
    ]


def test_budgets_that_were_not_evaluated_are_told_from_those_left_out_for_width(
    make_run: MakeRun, tmp_path: Path
) -> None:
    lines = [round_line(number, 0.5) for number in range(1, 10)]
    for line in lines[:2]:
        line["test"] = {"test": {"accuracy": None}}  # of method.evaluate_at
    make_run([], lines=lines, method="svpp")
    notes = table_of(tmp_path).notes
    assert "Not evaluated: 100, 200 labels." in notes
    assert "Left out for width: 400, 600, 800 labels; the CSV has all that were evaluated." in notes


def test_a_report_of_evaluated_rounds_alone_says_nothing_of_others(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6])
    assert not any("evaluated" in note or "Left out" in note for note in table_of(tmp_path).notes)


def test_a_ratio_below_a_tenth_has_two_significant_digits(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.8], seconds=[1, 3])
    make_run([0.5, 0.9], seconds=[1, 99], method="cal_er")
    assert texts(table_of(tmp_path))["CAL-ER"][3] == "0.04×"
    assert [ratio_text(value) for value in (0.0423, 0.004, 0.1, 2.04, 0.0)] == ["0.042", "0.004", "0.1", "2.0", "0.0"]
    assert [ratio_text(value, 2) for value in (0.0123, 0.1, 2.04)] == ["0.012", "0.10", "2.04"]
