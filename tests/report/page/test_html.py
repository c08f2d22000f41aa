"""The page as a file, and the page in a real browser."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from calrun.report.draw.panels import panels
from calrun.report.draw.plots import learning_curves
from calrun.report.measure.significance import bands
from calrun.report.page.html import (
    Part,
    class_names_of,
    curves,
    histograms,
    numeric,
    page,
    plain,
    run_table,
    script_json,
    without_constants,
)
from calrun.report.read.runs import read
from calrun.report.table.tables import Cell, Table, comparison
from calrun.report.verdict.answers import answer_tables

MakeRun = Callable[..., Path]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def write_page(folder: Path, out: Path) -> Path:
    runs = read([folder])
    found = list(panels(runs.table))
    parts = [Part(panel, "In short.", [comparison(panel), *answer_tables(panel, "al")]) for panel in found]
    path = out / "report.html"
    path.write_text(page(runs, parts), encoding="utf-8")
    return path


def write_runs(make_run: MakeRun) -> None:
    for seed in (0, 1):
        make_run([0.5, 0.8 + seed / 100], seed=seed)
        make_run([0.5, 0.9 + seed / 50], seed=seed, seconds=[10, 5], method="cal_er")
    make_run([0.4], seed=0, method="<b>odd</b>", tag="odd", state="failed")


def test_page_needs_no_network_and_escapes_what_it_shows(make_run: MakeRun, tmp_path: Path) -> None:
    write_runs(make_run)
    text = write_page(tmp_path / "outputs", tmp_path).read_text()
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", text)
    assert "<b>odd" not in text
    assert "1 remark on folders" in text
    for needed in ("CAL-ER", "All numbers", "Configuration differences", "Environment and commands"):
        assert needed in text


def test_acquisitions_of_a_users_own_are_drawn_apart(make_run: MakeRun, tmp_path: Path) -> None:
    names = ["entropy", *(f"mine_{number}" for number in range(25))]
    for name in names:
        make_run([0.5, 0.8], acquisition=name)
    (panel,) = panels(read([tmp_path / "outputs"]).table)
    lines = curves(panel)["lines"]
    assert {line["label"] for line in lines} == {*names}
    assert len({(line["colour"], line["dash"]) for line in lines}) == len(names)


def test_script_data_is_strict_json_without_closing_tags() -> None:
    text = script_json({"a": [float("nan"), float("inf"), 1 / 3], "b": "</script>"})
    assert "</" not in text
    assert json.loads(text) == {"a": [None, None, 0.333333], "b": "</script>"}
    assert plain(1.0) == 1.0


def test_runs_stand_in_the_order_of_their_folders_each_at_its_last_round(make_run: MakeRun, tmp_path: Path) -> None:
    folders = [make_run([0.5, 0.6, 0.7], seed=seed, method=method) for method in ("al", "cal_er") for seed in range(20)]
    table = run_table(read([tmp_path]))
    names = [row[-1].text for row in table.rows]
    assert names == sorted(folder.name for folder in folders)
    assert {row[table.columns.index("rounds")].text for row in table.rows} == {"3"}


def test_columns_that_say_the_same_in_every_row_are_said_once_below() -> None:
    rows = [[Cell("digits"), Cell(""), Cell(method), Cell("1", 1.0)] for method in ("al", "cal_er")]
    table = Table("t", "t", [("", 4)], ["dataset", "variant", "method", "n"], rows)
    short = without_constants(table, ["dataset", "variant", "method"])
    assert short.columns == ["method", "n"]
    assert [[cell.text for cell in row] for row in short.rows] == [["al", "1"], ["cal_er", "1"]]
    assert short.notes == ["The same in every row: dataset digits."]
    one = Table("t", "t", [("", 4)], table.columns, rows[:1])
    assert without_constants(one, ["dataset"]).columns == table.columns


def test_a_column_with_any_number_is_numeric() -> None:
    rows = [[Cell("al"), Cell("–")], [Cell("cal_er"), Cell("1.0", 1.0)]]
    assert numeric(Table("t", "t", [("", 2)], ["method", "ratio"], rows)) == [False, True]


def test_energy_stands_in_the_page_only_where_a_run_recorded_it(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6])
    assert "energy" not in write_page(tmp_path / "outputs", tmp_path).read_text().split("<script")[0]
    make_run([0.5, 0.6], method="cal_er", kwh=[0.002, 0.0034])
    text = write_page(tmp_path / "outputs", tmp_path).read_text()
    assert text.count("energy in Wh") == 2
    assert ">5.4<" in text


def test_variants_of_a_method_share_its_colour_and_differ_in_dash(make_run: MakeRun, tmp_path: Path) -> None:
    for alpha in (2, 10, 0.5):
        make_run([0.5], method="cal_sd", tag=alpha, leaves={"method": {"alpha": alpha}})
    make_run([0.5])
    (panel,) = panels(read([tmp_path]).table)
    *variants, al = curves(panel)["lines"]
    assert [line["label"] for line in variants] == [f"CAL-SD (alpha={alpha})" for alpha in (0.5, 2, 10)]
    assert len({line["colour"] for line in variants}) == 1
    assert len({line["dash"] for line in variants}) == 3
    assert al["dash"] == "1 1.5"


def test_bars_bear_the_names_of_the_classes_where_runs_recorded_them(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5], leaves={"class_names": ["cat", "dog"]})
    make_run([0.5], dataset="fmnist")
    runs = read([tmp_path])
    names = [histograms(panel, class_names_of(runs))["lines"][0]["names"] for panel in panels(runs.table)]
    assert names == [["cat", "dog"], []]


def test_the_page_draws_the_interval_that_the_figure_draws(make_run: MakeRun, tmp_path: Path) -> None:
    for seed in range(3):
        make_run([0.5, 0.8 + seed / 50], seed=seed)
    (panel,) = panels(read([tmp_path]).table)
    drawn = curves(panel)
    expected = bands(panel.runs)[["labelled", "lower", "upper"]].to_numpy()
    np.testing.assert_array_equal(drawn["lines"][0]["band"], expected)
    assert drawn["band"] == "95 % t interval of the mean"
    (filled,) = learning_curves(panel).axes[0].collections
    vertices = filled.get_paths()[0].vertices
    assert {round(y, 6) for y in vertices[:, 1]} >= {round(100 * y, 6) for y in expected[:, 1:].ravel()}  # type: ignore[call-overload, index]


@pytest.mark.slow
def test_two_hundred_runs_stay_under_ten_megabytes(make_run: MakeRun, tmp_path: Path) -> None:
    for seed in range(20):
        for method in ("al", "al_ws", "cal_er", "cal_mir", "cal_der", "cal_sd", "cal_sds2", "a", "b", "c"):
            make_run([0.5 + number / 50 for number in range(20)], seed=seed, method=method)
    assert write_page(tmp_path / "outputs", tmp_path).stat().st_size < 10_000_000


def in_browser(path: Path, script: str, width: int = 1280) -> str:
    """Loads the page with `script` at its end and returns the text that the script leaves in document.title."""
    probe = path.with_name("probe.html")
    probe.write_text(path.read_text().replace("</body>", f"<script>{script}</script></body>"))
    profile = path.with_name("profile")
    profile.mkdir(exist_ok=True)
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},900"]
    done = subprocess.run(
        [*command, "--virtual-time-budget=3000", "--dump-dom", probe.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    return found.group(1)


PROBE = """
addEventListener("load", () => setTimeout(() => {
  const found = {}, one = selector => document.querySelector(selector);
  try { %s } catch (error) { found.error = String(error); }
  document.title = JSON.stringify(found);
}, 200));
"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)")
class TestInBrowser:
    def probe(self, make_run: MakeRun, tmp_path: Path, body: str, width: int = 1280) -> dict[str, object]:
        write_runs(make_run)
        title = in_browser(write_page(tmp_path / "outputs", tmp_path), PROBE % body, width)
        found: dict[str, object] = json.loads(title.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
        assert "error" not in found, found
        return found

    def test_curves_are_drawn_and_a_click_hides_a_method(self, make_run: MakeRun, tmp_path: Path) -> None:
        body = """
          found.before = document.querySelectorAll("#panel-0 path.mean").length;
          const button = one("#panel-0 .legend button");
          found.name = button.textContent;
          button.click();
          found.after = document.querySelectorAll("#panel-0 path.mean").length;
          found.pressed = button.getAttribute("aria-pressed");
        """
        found = self.probe(make_run, tmp_path, body)
        assert found == {"before": 3, "name": "CAL-ER", "after": 2, "pressed": "false"}

    @pytest.mark.parametrize("width", [1280, 760])
    def test_names_beside_the_curves_lie_inside_and_apart(self, make_run: MakeRun, tmp_path: Path, width: int) -> None:
        """Where there is no room for the whole name its middle goes: what tells variants apart stands at its end."""
        for number in range(12):
            leaves = {"method": {"sigma": 0.1, "uncertainty_weight_of_every_single_candidate": number}}
            make_run([0.5, 0.9], method="cal_sds2", tag=f"{number}-a", leaves=leaves)
        body = """
          const edge = one("#panel-0 .plot").getBoundingClientRect();
          const names = [...document.querySelectorAll("#panel-0 text.name")];
          const boxes = names.map(name => name.getBoundingClientRect());
          const inside = box => box.right <= edge.right && box.bottom <= edge.bottom && box.top >= edge.top;
          found.names = names.map(name => name.textContent);
          found.outside = boxes.filter(box => !inside(box)).length;
          boxes.sort((a, b) => a.top - b.top);
          found.overlaps = boxes.filter((box, place) => place && box.top < boxes[place - 1].bottom - 2).length;
        """
        found = self.probe(make_run, tmp_path, body, width)
        names = found["names"]
        assert isinstance(names, list)
        variants = sorted(name for name in names if name.startswith("CAL-SDS2"))
        whole = sorted(f"CAL-SDS2 (uncertainty_weight_of_every_single_candidate={number})" for number in range(12))
        assert variants == whole if width > 1000 else all(name.endswith(")") and "…" in name for name in variants)
        assert len(set(variants)) == 12
        assert (found["outside"], found["overlaps"]) == (0, 0)

    def test_means_stand_at_their_heights_beside_a_line_that_falls_out(self, make_run: MakeRun, tmp_path: Path) -> None:
        for seed, start in enumerate((0.4, 0.5, 0.6)):
            for method, last in (("al", 0.9), ("cal_er", 0.91), ("cal_der", 0.92), ("finetune_new", 0.1)):
                make_run([start, last], seed=seed, method=method, acquisition="margin")
        body = """
          const plot = one("#panel-1 .plot"), dots = [...plot.querySelectorAll("circle[stroke]")];
          found.title = one("#panel-1 h2").textContent;
          const heights = dots.map(dot => Math.round(Number(dot.getAttribute("cy"))));
          found.heights = [...new Set(heights)].sort((a, b) => a - b);
          found.names = [...plot.querySelectorAll("text.name")].map(name => name.textContent);
        """
        found = self.probe(make_run, tmp_path, body)
        assert found["title"] == "digits, mlp, margin"
        heights, names = found["heights"], found["names"]
        assert isinstance(heights, list)
        assert isinstance(names, list)
        assert "Fine-tune on new ↓ 10.0 %" in names
        *_, start, edge = heights  # three means at the end, all at the start, one below the field
        assert len(heights) == 5
        assert edge - start > 40

    def test_hover_shows_run_seed_and_numbers(self, make_run: MakeRun, tmp_path: Path) -> None:
        body = """
          const plot = one("#panel-0 .plot"), frame = plot.getBoundingClientRect();
          const texts = new Set();
          for (const dot of plot.querySelectorAll("circle")) {
            const box = dot.getBoundingClientRect();
            const [clientX, clientY] = [box.x + box.width / 2, box.y + box.height / 2];
            plot.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY }));
            texts.add(one("#panel-0 .tip").innerText);
          }
          found.texts = [...texts];
          found.hidden = one("#panel-0 .tip").hidden;
        """
        found = self.probe(make_run, tmp_path, body)
        texts = " | ".join(map(str, found["texts"]))  # type: ignore[arg-type]
        assert found["hidden"] is False
        assert re.search(r"CAL-ER, run \w+, seed [01]", texts)
        assert "mean 91.00 % ± 1.41, n = 2" in texts

    def test_arrow_keys_go_through_the_points_and_say_them(self, make_run: MakeRun, tmp_path: Path) -> None:
        body = """
          const plot = one("#panel-0 .plot"), said = one("#panel-0 .chart [role=status]");
          found.said = ["ArrowRight", "ArrowRight", "ArrowLeft"].map(key => {
            plot.dispatchEvent(new KeyboardEvent("keydown", { key }));
            return said.textContent;
          });
          found.focusable = plot.tabIndex;
        """
        found = self.probe(make_run, tmp_path, body)
        said = found["said"]
        assert isinstance(said, list)
        assert said[0] == said[2] != said[1]
        assert found["focusable"] == 0

    def test_tables_sort_by_number_and_filter_by_words(self, make_run: MakeRun, tmp_path: Path) -> None:
        body = """
          const table = one("#runs table"), heads = [...table.querySelectorAll("thead button")];
          const column = heads.findIndex(head => head.textContent === "accuracy in %");
          heads[column].click(); heads[column].click();
          found.sort = heads[column].parentElement.getAttribute("aria-sort");
          found.sorted = [...table.tBodies[0].rows].map(row => Number(row.cells[column].textContent));
          const input = one("[data-filter=runs]");
          input.value = "cal_er"; input.dispatchEvent(new Event("input"));
          found.left = [...table.tBodies[0].rows].filter(row => !row.hidden).length;
          found.shown = one("[data-shown=runs]").textContent;
        """
        found = self.probe(make_run, tmp_path, body)
        assert found["sort"] == "descending"
        assert found["sorted"] == [92, 90, 81, 80, 40]
        assert (found["left"], found["shown"]) == (2, "2 of 5 rows")

    def test_infinite_numbers_sort_above_all_others(self, make_run: MakeRun, tmp_path: Path) -> None:
        for method, counts in (("cal_mir", [9, 3]), ("cal_der", [5, 0]), ("cal_sd", [8, 1])):
            line = {"round": 1, "labelled": 7, "test": {"test": {"accuracy": 0.5}}, "class_counts": counts}
            make_run([], lines=[line], method=method, acquisition="margin")
        body = """
          const block = [...document.querySelectorAll("[id$=margin-balance]")][0];
          block.querySelectorAll("thead button")[2].click();
          found.sorted = [...block.querySelector("tbody").rows].map(row => row.cells[2].textContent);
        """
        assert self.probe(make_run, tmp_path, body)["sorted"] == ["3.00", "8.00", "∞"]

    def test_at_phone_width_only_the_tables_scroll(self, make_run: MakeRun, tmp_path: Path) -> None:
        body = """
          document.body.style.width = "360px"; document.body.style.maxWidth = "360px";
          const ignored = ".scroll, .skip, .visually-hidden, details:not([open])";
          const edge = one("main").getBoundingClientRect().right;
          found.wide = [...document.querySelectorAll("main *")]
            .filter(node => !node.closest(ignored) && node.getBoundingClientRect().right > edge + 1)
            .map(node => node.outerHTML.slice(0, 80));
        """
        assert self.probe(make_run, tmp_path, body, width=500)["wide"] == []
