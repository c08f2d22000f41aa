"""The table of labels that taught nothing, from hand-made run folders."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from calrun.report.draw.panels import panels
from calrun.report.read.runs import read
from calrun.report.table.unknown_table import unknown_table

MakeRun = Callable[..., Path]


def lines_of(in_vain: list[int], precision: list[float]) -> list[dict[str, Any]]:
    common = {"test": {"test": {"accuracy": 0.5}}}
    return [
        common | {"round": number, "labelled": 100 * number, "notes": {"unknown_class": own, "query_precision": share}}
        for number, (own, share) in enumerate(zip(in_vain, precision, strict=True), start=1)
    ]


def test_precision_by_round_and_what_was_bought_in_vain_by_hand(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([], acquisition="margin", seed=0, lines=lines_of([40, 90], [0.6, 0.5]))
    make_run([], acquisition="margin", seed=1, lines=lines_of([40, 110], [0.6, 0.3]))
    make_run([], acquisition="badge", seed=0, lines=lines_of([40, 75], [0.6, 0.65]))
    make_run([0.5, 0.6], acquisition="random")
    (table,) = unknown_table(next(panel for panel in panels(read([tmp_path]).table) if panel.rows == "acquisition"))
    assert table.columns == ["acquisition", "n", "100", "200", "labels", "in %"]
    assert table.groups[-1] == ("taught nothing by 200", 2)
    cells = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert cells == {
        "margin": ["2", "60.0 ± 0.0", "40.0 ± 14.1", "100", "50.0 ± 7.1 (n=2)"],
        "BADGE": ["1", "60.0", "65.0", "75", "37.5 (n=1)"],
    }


def test_where_every_row_has_a_class_there_is_no_table(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6])
    assert list(unknown_table(next(panels(read([tmp_path]).table)))) == []
