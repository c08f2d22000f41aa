"""The line of a round: what stands in it, who may read it, and the balance of labels and memory."""

import csv
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from calrun.folder.round_line import FIELDS, balance, flatten, imbalance_ratio, peak_memory_bytes

LIGHT = """
import sys
import calrun.folder.round_line, calrun.run, calrun.folder.status
print(sorted({"torch", "numpy", "scipy", "pandas"} & sys.modules.keys()))
"""


LISTS = ("accuracy_by_round", "class_counts")


def test_balance_counts_by_hand() -> None:
    found = balance([3, 2, 1])
    assert found["class_counts"] == [3, 2, 1]
    assert found["imbalance_ratio"] == 3
    assert found["label_entropy"] == pytest.approx(-(math.log(1 / 2) / 2 + math.log(1 / 3) / 3 + math.log(1 / 6) / 6))


def test_even_labels_have_the_largest_entropy() -> None:
    assert balance([3, 3, 3, 3])["imbalance_ratio"] == 1
    assert balance([3, 3, 3, 3])["label_entropy"] == pytest.approx(math.log(4))


def test_a_class_without_labels_makes_the_ratio_infinite_and_in_json_null() -> None:
    found = balance([5, 5, 0])
    assert imbalance_ratio([5, 5, 0]) == math.inf
    assert found["imbalance_ratio"] is None
    assert found["label_entropy"] == pytest.approx(math.log(2))
    assert math.copysign(1, balance([4, 0])["label_entropy"]) == 1


def test_the_run_and_the_report_say_the_same_of_its_balance(
    play: Callable[..., Any], calrun: Callable[..., Any], run_folder: Callable[[], Path]
) -> None:
    assert play("budget.rounds=2", "initial=class_balanced").code == 0
    lines = [json.loads(line) for line in (run_folder() / "rounds.jsonl").read_text().splitlines()]
    calrun("report", str(run_folder().parent))
    (table,) = run_folder().parent.rglob("*-balance.csv")
    cells = next(csv.reader(table.read_text().splitlines()[1:]))
    assert lines[0]["imbalance_ratio"] == 1
    assert f"{lines[1]['imbalance_ratio']:.2f}" in cells
    assert f"{lines[1]['label_entropy']:.3f}" in cells


def test_every_field_and_column_stands_in_the_order_of_the_fields(
    play: Callable[..., Any], run_folder: Callable[[], Path]
) -> None:
    assert play("method=cal_mir", "record.accuracy_by_round=true", "trainer.max_epochs=1").code == 0
    lines = [json.loads(line) for line in (run_folder() / "rounds.jsonl").read_text().splitlines()]
    for line in lines:
        assert list(line) == [name for name in FIELDS if name in line]
    header = (run_folder() / "metrics.csv").read_text().splitlines()[0].split(",")
    blocks = list(dict.fromkeys(column.partition("/")[0] for column in header))
    assert blocks == [name for name in FIELDS if name in blocks]


def test_the_readme_names_the_columns() -> None:
    readme = " ".join((Path(__file__).parents[2] / "README.md").read_text().split())
    said = readme.partition("The columns of `metrics.csv`: ")[2].partition(".")[0].replace("`", "").split(", ")
    assert [name.partition("/")[0] for name in said] == [name for name in FIELDS if name not in LISTS]


def test_who_reads_lines_needs_no_training_library() -> None:
    found = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("broken", ['{"round": 1', "[]", "the field", "no fit", "another round", "no accuracy"])
def test_run_status_and_report_name_the_broken_line_alike(
    play: Callable[..., Any], calrun: Callable[..., Any], run_folder: Callable[[], Path], broken: str
) -> None:
    assert play("budget.rounds=2").code == 0
    path = run_folder() / "rounds.jsonl"
    first, second = path.read_text().splitlines()
    line = json.loads(second)
    changed = {
        "the field": line | {"steps": "many"},
        "no fit": line | {"seconds": {}},
        "another round": line | {"round": 3},
        "no accuracy": line | {"test": {"test": {"loss": 1.0}}},
    }
    path.write_text(f"{first}\n{json.dumps(changed[broken]) if broken in changed else broken}\n")
    again = play("budget.rounds=2")
    assert again.code == 2
    assert "line 2" in again.err
    assert "line 2" in calrun("status", str(path.parent)).out
    if broken != "no fit":  # which a report can do without
        assert "line 2" in calrun("report", str(path.parent)).out


def test_numbers_are_flattened_and_lists_and_unknown_ones_left_out() -> None:
    assert flatten({"a": {"b": {"c": 1}}, "d": "x", "e": [1, 2], "f": None}) == {"a/b/c": 1, "d": "x"}


def test_the_peak_of_memory_is_the_whole_process_in_bytes() -> None:
    peak = peak_memory_bytes(torch.device("cpu"))
    assert 50e6 < peak < 1e12
