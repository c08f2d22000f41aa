"""What a verdict says of the two settings: the paper's, of every table, and ours."""

from collections.abc import Callable
from pathlib import Path

import pytest

from calrun.report.read.runs import read
from calrun.report.verdict.printed import paper_table
from calrun.report.verdict.setting import our_setting
from calrun.report.verdict.verdict import setting_notes
from calrun.sweep.catalogue import recipes

MakeRun = Callable[..., Path]


@pytest.mark.parametrize("name", recipes())
def test_every_table_says_what_the_paper_ran_and_what_the_recipe_does_otherwise(name: str) -> None:
    paper = paper_table(name)
    assert paper is not None
    notes = list(setting_notes(paper, "2 runs"))
    assert [note.partition(":")[0] for note in notes] == [
        "The paper's setting",
        "Ours",
        "The recipe differs from the paper",
    ]
    assert not any(note.endswith("..") for note in notes)


def test_ours_are_the_values_that_runs_share_and_the_few_that_they_do_not(make_run: MakeRun, tmp_path: Path) -> None:
    for seed in (0, 2):
        leaves = {
            "optimizer": {"lr": 0.01},
            "trainer": {"batch_size": 20 + seed, "max_epochs": 300, "precision": "32-true"},
        }
        make_run([0.5], seed=seed, leaves=leaves)
    values = "lr 0.01, batch 20 or 22, at most 300 epochs, precision 32-true"
    assert our_setting(read([tmp_path])) == f"2 runs of seeds 0 or 2, digits, mlp, sgd, {values}, on cpu"


def test_many_values_are_counted_and_missing_ones_left_out(make_run: MakeRun, tmp_path: Path) -> None:
    for seed in range(5):
        make_run([0.5], seed=seed)
    assert our_setting(read([tmp_path])).startswith("5 runs of seeds 5 values from 0 to 4, digits, mlp, sgd, on cpu")
