import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from calrun.report.draw import plots
from calrun.report.draw.panels import panels
from calrun.report.main import report, widest_first
from calrun.report.measure.prices import Prices
from calrun.report.read.runs import read

MakeRun = Callable[..., Path]


def test_report_prints_the_table_and_writes_every_file(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.8])
    make_run([0.5, 0.7], method="cal_er", state="failed")
    printed = io.StringIO()
    result = report([tmp_path / "outputs"], tmp_path / "report", console=Console(file=printed))
    assert "CAL-ER" in printed.getvalue()
    assert "failed: 2 of 2 rounds are there" in printed.getvalue()
    assert all(path.stat().st_size > 0 for path in result.files)
    suffixes = {path.suffix for path in result.files}
    assert suffixes >= {".parquet", ".csv", ".md", ".tex", ".png", ".pdf", ".svg"}


def test_a_baseline_that_no_run_is_of_is_refused_before_anything_is_written(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5], method="cal_er")
    with pytest.raises(ValueError, match=r"a method of these runs \(cal_er\), got 'als'"):
        report([tmp_path / "outputs"], tmp_path / "report", baseline="als", console=Console(file=io.StringIO()))
    assert not (tmp_path / "report").exists()


def test_what_compares_most_stands_first(make_run: MakeRun, tmp_path: Path) -> None:
    for acquisition in ("entropy", "margin", "random"):
        for method in ("al", "cal_er"):
            make_run([0.5], acquisition=acquisition, method=method)
    found = widest_first(panels(read([tmp_path]).table))
    assert [panel.fixed for panel in found] == ["al", "cal_er", "entropy", "margin", "random"]


@pytest.fixture(autouse=True)
def coarse_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take most of a report's time, and more with more pixels."""
    monkeypatch.setitem(plots.PRINT, "savefig.dpi", 30)


def said(folder: Path, encoding: str = "utf-8", **options: object) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    report([folder], folder.parent / "report", console=Console(file=file), **options)  # type: ignore[arg-type]
    file.seek(0)
    return file.read()


def test_a_sentence_stands_before_every_table_and_on_the_page(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.8])
    make_run([0.5, 0.9], method="cal_er")
    text = said(tmp_path / "outputs")
    sentence = "digits, mlp, entropy: at 200 labels CAL-ER has 90.0 %, 10.0 points above AL"
    assert text.startswith(sentence)
    assert sentence in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("encoding", "cell"), [("ascii", "85.0 +/- 7.1"), ("iso-8859-1", "85.0 ± 7.1")])
def test_a_terminal_that_is_not_utf_8_ends_no_report(
    make_run: MakeRun, tmp_path: Path, encoding: str, cell: str
) -> None:
    for seed in (0, 1):
        make_run([0.5, 0.8 + seed / 10], seed=seed)
    make_run([0.5], method="méthode 名", state="failed")
    text = said(tmp_path / "outputs", encoding)
    assert cell in text
    assert "to begin with" in text
    assert (tmp_path / "report" / "report.html").is_file()


def test_names_are_text_wherever_they_are_printed_and_written(make_run: MakeRun, tmp_path: Path) -> None:
    """Markup, HTML, mathematics, formulas, control codes and paths: a user may name an option so."""
    odd = ("[/red]", "<i>b", "$x_{", "=c", "d\x1b[1m", "../../e", "f" * 200, "-1", "+1", "AL", "al")
    for number, method in enumerate(odd):
        make_run([0.5, 0.6 + number / 100], folder=f"[red]{number}", method=method, state="failed", dataset="[bold]")
    text = said(tmp_path / "outputs")
    for shown in ("[/red]", "<i>b", "$x_{", "=c", "d\\x1b[1m", "../../e", "[bold], mlp, entropy"):
        assert shown in text
    assert "\x1b" not in text
    assert {path.parent for path in (tmp_path / "report").rglob("*")} == {tmp_path / "report"}
    assert "<i>b" not in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert not list((tmp_path / "report").glob("*.part"))


def test_panels_that_differ_in_long_lists_have_short_files_of_their_own(make_run: MakeRun, tmp_path: Path) -> None:
    for first in (1, -1):
        rows, labels = list(range(first, 400, 2)), list(range(first, 300, 3))
        make_run([0.5, 0.6], tag=f"{first}-a", leaves={"dataset": {"rows": rows}, "budget": {"labels": labels}})
    names = [panel.name for panel in panels(read([tmp_path / "outputs"]).table)]
    assert len({name.lower() for name in names}) == 2
    assert max(map(len, names)) < 60


def test_24_tries_under_one_name_make_one_panel(make_run: MakeRun, tmp_path: Path) -> None:
    for number in range(24):
        budget, epochs = {"start": 10 + number % 4, "step": 5}, 2 + number
        leaves = {"budget": budget, "trainer": {"epochs": epochs}, "method": {"stop": {"epochs": epochs}}}
        make_run([0.5, 0.6], tag=number, leaves=leaves)
    (panel,) = panels(read([tmp_path / "outputs"]).table)
    assert len(panel.runs["variant"].unique()) == 24
    said(tmp_path / "outputs")
    assert len(list((tmp_path / "report").iterdir())) < 40


def test_prices_without_random_say_what_is_missing(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6])
    assert "it wants runs of acquisition=random" in said(tmp_path / "outputs", prices=Prices(0.04, 0.0))
    assert "No overall cost" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


def test_a_report_is_replaced_file_by_file(make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run([0.5, 0.6])
    said(tmp_path / "outputs")
    before = {path: path.read_bytes() for path in (tmp_path / "report").iterdir()}

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    make_run([0.5, 0.7], seed=1)
    with pytest.raises(KeyboardInterrupt):
        said(tmp_path / "outputs")
    assert {path: path.read_bytes() for path in (tmp_path / "report").iterdir()} == before


def test_a_report_marks_what_the_runs_say_they_looked_at(
    play: Callable[..., Any], calrun: Callable[..., Any], tmp_path: Path
) -> None:
    by_class = ("initial=class_balanced", "acquisition=facility_location", "acquisition.class_conditional=true")
    for words in ((), by_class):
        assert play("budget.rounds=1", *words).code == 0
    cheats = [yaml.safe_load(path.read_text())["cheats"] for path in (tmp_path / "outputs").rglob("config.yaml")]
    assert sorted(cheats) == [[], ["acquisition", "initial"]]
    assert calrun("report", str(tmp_path / "outputs"), "--out", str(tmp_path / "report")).code == 0
    page = (tmp_path / "report" / "report.html").read_text()
    assert "facility location (oracle)" in page
    assert "digits, mlp, al, facility_location (oracle)" in page
    assert "entropy (oracle)" not in page
