from collections.abc import Callable
from pathlib import Path
from typing import Any

from calrun.report.draw.panels import panels
from calrun.report.read.runs import read
from calrun.report.table.forgetting_table import forgetting_table

MakeRun = Callable[..., Path]


def lines_of(accuracy_by_round: list[list[float]]) -> list[dict[str, Any]]:
    common = {"test": {"test": {"accuracy": 0.5}}}
    return [
        common | {"round": number, "labelled": 100 * number, "accuracy_by_round": own}
        for number, own in enumerate(accuracy_by_round, start=1)
    ]


def test_points_lost_by_hand(make_run: MakeRun, tmp_path: Path) -> None:
    lost = [[0.9], [0.6, 0.8], [0.5, 0.8, 0.7]]  # 0.4 below its best, and 0.0
    kept = [[0.9], [0.9, 0.8], [0.9, 0.8, 0.7]]
    make_run([], method="sgd_ft", lines=lines_of(lost))
    for seed in range(2):
        make_run([], method="cal_er", seed=seed, lines=lines_of(kept))
    make_run([0.5, 0.6, 0.7])
    (table,) = forgetting_table(next(panels(read([tmp_path]).table)))
    assert {row[0].text: row[1].text for row in table.rows} == {
        "CAL-ER": "0.0 ± 0.0 (n=2)",
        "sgd_ft": "20.0 (n=1)",
        "AL": "–",
    }


def test_without_a_record_there_is_no_table(make_run: MakeRun, tmp_path: Path) -> None:
    make_run([0.5, 0.6])
    assert list(forgetting_table(next(panels(read([tmp_path]).table)))) == []
