"""The table of what each rule would have saved."""

from collections.abc import Callable
from pathlib import Path

from calrun.report.draw.panels import panels
from calrun.report.read.runs import read
from calrun.report.table.stopping_table import stopping_tables
from calrun.report.table.tables import comparison
from calrun.report.verdict.setting import our_setting
from tests.report.measure.test_stopping import lines


def test_a_line_for_each_rule_means_over_the_seeds_that_it_stops(make_run: Callable[..., Path], tmp_path: Path) -> None:
    for seed, sure_from in enumerate((2, 3, 9)):
        make_run([], seed, lines=lines(sure_from), method="al")
        make_run([], seed, lines=lines(9), method="cal_er")
    make_run([], 3, lines=lines(3, stopped="the mean entropy is low"), method="al")
    (panel,) = panels(read([tmp_path / "outputs"]).table)
    (table,) = stopping_tables(panel)
    by_rule = {(row[0].text, row[1].text): [cell.text for cell in row[2:]] for row in table.rows}
    assert by_rule["AL", "overall_uncertainty"] == ["3", "2", "2–3", "250", "50.0 ± 14.1", "15.0 ± 14.1"]
    assert by_rule["CAL-ER", "overall_uncertainty"] == ["3", "0", "–", "–", "–", "–"]
    assert len(by_rule) == 6
    assert "plateau is left out: it looks at validation, which no run has." in table.notes
    assert "Left out: 1 of 7 runs, which a rule has stopped." in table.notes
    assert "A rule (stop_al) stopped 1 of 7 runs before their budget." in comparison(panel).notes
    assert our_setting(read([tmp_path / "outputs"])).endswith("on cpu, 1 stopped by stop_al")


def test_runs_without_a_stop_set_have_no_such_table(make_run: Callable[..., Path], tmp_path: Path) -> None:
    make_run([0.5, 0.6])
    (panel,) = panels(read([tmp_path / "outputs"]).table)
    assert list(stopping_tables(panel)) == []
