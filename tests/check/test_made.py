"""A class of the user's own of another kind, or with other arguments, is refused by name before the first fit."""

from collections.abc import Callable
from pathlib import Path

import pytest

MINE = """
import numpy as np
from calrun.acquisition.base import Acquisition
from calrun.dataset.source.subset import Subset
from calrun.row_transform.base import RowTransform

class Plain:
    pass

class Short(Acquisition):
    def select(self, candidates, budget):
        return candidates.rows[:budget]

class Numbers(RowTransform):
    def __call__(self, train, num_classes):
        return np.arange(5)

class Beyond(RowTransform):
    def __call__(self, train, num_classes):
        return Subset(train, np.arange(len(train)) + 3)

class Mask(RowTransform):
    def __call__(self, train, num_classes):
        return Subset(train, np.ones(len(train), dtype=bool))
"""


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "acquisition._target_=Plain",
            "acquisition wants a calrun.acquisition.base.Acquisition, got an object of Plain",
        ),
        ("acquisition._target_=Short", "its select takes other arguments than (candidates, budget, rng)"),
        ("task._target_=Plain", "task wants a calrun.task.base.Task, got"),
        ("oracle._target_=Plain", "oracle wants a calrun.oracle.base.Oracle, got"),
        ("row_transform._target_=Plain", "row_transform wants a calrun.row_transform.base.RowTransform"),
        ("row_transform._target_=Numbers", "what row_transform=Numbers returns wants a calrun.dataset.base.Source"),
        ("row_transform._target_=Beyond", "got 3 others (first: [200, 201, 202])"),
        ("row_transform._target_=Mask", "got bool of shape (200,); take numpy.flatnonzero of a mask"),
        ("acquisition._target_=not_there.Mine", "not_there.Mine cannot be loaded"),
        ("val_fraction=0.995", "(with val_fraction=0.995 the pool has 1 rows)"),
        ("scale=0.005", "in its last round (with scale=0.005 the pool has 1 rows)"),
    ],
)
def test_it_ends_in_one_sentence(
    override: str,
    message: str,
    tmp_path: Path,
    small: tuple[str, ...],
    calrun: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = f"kinds_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    own = override if "." in override.partition("=")[2] else override.replace("_target_=", f"_target_={name}.")
    answer = calrun("run", *small, "acquisition=random", own)
    assert answer.code == 2, answer.err
    assert message in answer.err
    assert len(answer.err.splitlines()) == 1
