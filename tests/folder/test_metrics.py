"""The table of a run's rounds."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from calrun.folder.metrics import COLUMNS, column_of, flatten, metrics_csv


def test_every_column_of_a_run_is_named_and_in_its_place(
    play: Callable[..., Any], run_folder: Callable[[], Path]
) -> None:
    """Columns that only later rounds fill in stand where they belong all the same."""
    assert play("method=cal_sds2", "acquisition=probcover", "acquisition.delta=purity").code == 0
    rows = list(csv.DictReader((run_folder() / "metrics.csv").read_text().splitlines()))
    columns = list(dict.fromkeys(map(column_of, rows[0])))
    assert columns == [column for column in COLUMNS if column not in ("warning", "energy_kwh")]
    assert rows[0]["notes/delta"]
    assert rows[-1]["notes/delta"] == ""


def test_the_readme_names_the_columns() -> None:
    readme = " ".join((Path(__file__).parents[2] / "README.md").read_text().split())
    assert f"The columns of `metrics.csv`: {', '.join(f'`{name}`' for name in COLUMNS)}." in readme


def test_numbers_are_flattened_and_lists_left_out() -> None:
    assert flatten({"a": {"b": {"c": 1}}, "d": "x", "e": [1, 2]}) == {"a/b/c": 1, "d": "x"}


def test_a_column_of_another_version_comes_last_and_stops_nothing() -> None:
    assert metrics_csv([{"later": 1, "device": "cpu", "round": 1}]).splitlines() == ["round,device,later", "1,cpu,1"]
