"""The memory that jobs are given: the line of sbatch, written by submitit for a SLURM that only takes it."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calrun.slurm import memory
from calrun.slurm.memory import GIB, MARGIN, memory_gb, planned_bytes
from calrun.sweep.order import Order


@pytest.fixture
def sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """SLURM's commands, which answer and do nothing; returns the lines of the scripts that sbatch was given."""
    places = tmp_path / "bin"
    places.mkdir()
    for name in ("sbatch", "srun", "squeue", "sacct"):
        takes = "cat $1 >> $0.log; echo Submitted batch job 7" if name == "sbatch" else ""
        (places / name).write_text(f"#!/bin/sh\n{takes}\n")
        (places / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{places}:{os.environ['PATH']}")
    return lambda: (places / "sbatch.log").read_text().splitlines()


def test_the_line_of_sbatch_names_what_a_class_is_planned_to_take(
    calrun: Callable[..., Any], small: tuple[str, ...], sbatch: Callable[[], list[str]], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(memory, "planned_bytes", lambda order: 3 * GIB)
    words = ("pack=2", "seed=0,1,2", f"paths.outputs={tmp_path / 'outputs'}")
    assert calrun("submit", *small, *words, "mem_gb=plan").code == 0
    assert [line for line in sbatch() if "--mem" in line] == ["#SBATCH --mem=9GB"]
    assert calrun("submit", *small, *words, "mem_gb=5").code == 0
    assert [line for line in sbatch() if "--mem" in line] == ["#SBATCH --mem=9GB", "#SBATCH --mem=5GB"]
    assert calrun("submit", *small, *words).code == 0
    assert len([line for line in sbatch() if "--mem" in line]) == 2


@pytest.mark.slow
def test_a_class_gets_what_its_largest_choice_is_planned_to_take(
    calrun: Callable[..., Any], small: tuple[str, ...], sbatch: Callable[[], list[str]], tmp_path: Path
) -> None:
    words = ("mem_gb=plan", "pack=2", "acquisition=entropy", "seed=0,1", f"paths.outputs={tmp_path / 'outputs'}")
    answer = calrun("submit", *small, *words)
    assert answer.code == 0, answer
    (told,) = re.findall(r"digits mlp: (\d+) GB for each job, 1.5 times what calrun plan finds", answer.out)
    assert [line for line in sbatch() if "--mem" in line] == [f"#SBATCH --mem={told}GB"]
    assert 1 <= int(told) <= 8  # two runs of libraries and little else


def test_a_job_gets_the_margin_and_room_for_all_that_it_plays_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = {"entropy": 1.0, "coreset": 3.0}
    asked = []

    def told(order: Order) -> int:
        asked.append(order)
        return int(planned[order.words[0].partition("=")[2]] * GIB)

    monkeypatch.setattr(memory, "planned_bytes", told)
    orders = [
        Order((f"acquisition={name}", f"seed={seed}"), tmp_path / name, tmp_path, group="digits mlp")
        for name in planned
        for seed in range(3)
    ]
    assert memory_gb(orders, at_once=2) == 2 * 3 * MARGIN
    assert len(asked) == 2  # seeds take the same


@pytest.mark.slow
def test_a_plan_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    order = Order(("dataset=npz", "dataset.path=missing.npz"), tmp_path / "run", tmp_path)
    with pytest.raises(ValueError, match=r"mem_gb=plan wants a plan of run \(.*missing.npz.*\); name a number of GB"):
        planned_bytes(order)
