from collections.abc import Callable
from pathlib import Path

import pytest

from calrun.report.draw.panels import panels
from calrun.report.measure.prices import Prices, cost_table
from calrun.report.read.runs import read

MakeRun = Callable[..., Path]


def test_cost_of_random_s_last_accuracy_by_hand(make_run: MakeRun, tmp_path: Path) -> None:
    for seed in range(2):
        make_run([0.5, 0.6, 0.7], acquisition="random", seed=seed, seconds=[3600, 3600, 3600])
    make_run([0.5, 0.9], acquisition="entropy", seconds=[3600, 7200])
    make_run([0.5, 0.6], acquisition="entropy", seed=1, seconds=[3600, 7200])
    panel = next(panel for panel in panels(read([tmp_path]).table) if panel.rows == "acquisition")
    (table,) = cost_table(panel, Prices(label=0.1, hour=10))
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["entropy", "35.00", "58.3 (n=1)", "1 of 2"],  # halfway between 20 and 50, over 30 + 30
        ["random", "60.00", "100.0 ± 0.0 (n=2)", "2 of 2"],
    ]
    assert "labels x 0.1 + hours of fitting x 10" in table.notes[0]


def test_without_random_there_is_nothing_to_compare(make_run: MakeRun, tmp_path: Path) -> None:
    for acquisition in ("entropy", "margin"):
        make_run([0.5], acquisition=acquisition)
    tables = [table for panel in panels(read([tmp_path]).table) for table in cost_table(panel, Prices(1, 1))]
    assert tables == []


@pytest.mark.parametrize(
    ("label", "hour", "wanted"),
    [(-1, 1, "--label-price a number from 0 on, got -1"), (1, float("nan"), "--hour-price"), (0, 0, "both are 0")],
)
def test_prices_that_mean_nothing_are_refused(label: float, hour: float, wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        Prices(label, hour)
