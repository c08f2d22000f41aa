"""What is recorded of each row while a round trains: by hand, in runs, and after a death in the middle of a fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig

from calrun.model.base import Output
from calrun.part.batch import Batch
from calrun.part.dynamics import Dynamics
from calrun.task.classification import Classification
from tests.died import Killed, played


def batch(rows: list[int], probability: list[float]) -> Batch:
    """Rows of class 0 of two, which the network gives these probabilities."""
    logits = torch.tensor(probability)[:, None].log() * torch.tensor([1.0, 0.0])
    logits[:, 1] = (1 - torch.tensor(probability)).log()
    y = torch.zeros(len(rows), dtype=torch.int64)
    return Batch(torch.tensor(rows), torch.empty(len(rows)), y, Output(logits, torch.empty(len(rows), 1), {}))


def watching(num_rows: int) -> Dynamics:
    dynamics = Dynamics()
    dynamics.task, dynamics.num_rows = Classification(), num_rows
    dynamics._clear()
    return dynamics


def test_a_trajectory_by_hand() -> None:
    dynamics = watching(5)
    seen = {4: [0.9, 0.2, 0.8, 0.3], 1: [0.1, 0.6, 0.7, 0.7]}
    for step in range(4):
        dynamics.after_step(batch([4], [seen[4][step]]), batch([1], [seen[1][step]]))
    table = dynamics.table()
    assert table is not None
    np.testing.assert_array_equal(table["row"], [1, 4])
    np.testing.assert_array_equal(table["visits"], [4, 4])
    np.testing.assert_allclose(table["confidence"], [np.mean(seen[1]), np.mean(seen[4])], rtol=1e-6)
    np.testing.assert_allclose(table["variability"], [np.std(seen[1]), np.std(seen[4])], rtol=1e-6)
    np.testing.assert_allclose(table["correctness"], [0.75, 0.5])
    np.testing.assert_array_equal(table["forgotten"], [0, 2])  # right, wrong, right, wrong


def test_without_a_visit_there_is_no_table() -> None:
    assert watching(3).table() is None


def tables(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    return {path.parent.name: dict(np.load(path)) for path in folder.glob("round-*/dynamics.npz")}


@pytest.mark.parametrize("method", ["al", "cal_er", "lp_ft"])
def test_a_run_that_is_watched_is_the_same_run_and_so_is_one_that_died(
    method: str, configure: Callable[..., DictConfig], result_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    words = (f"method={method}", "trainer.batch_size=8", "trainer.max_epochs=4", "trainer.cal_epochs=4")
    played(tmp_path / "plain", configure(*words))
    cfg = configure(*words, "record.dynamics=true")
    played(tmp_path / "watched", cfg)
    assert result_of(tmp_path / "watched") == result_of(tmp_path / "plain")
    found = tables(tmp_path / "watched")
    assert found.keys() == {"round-1", "round-2", "round-3"}
    assert all((table["visits"] >= (1 if method == "cal_er" else 4)).all() for table in found.values())
    assert len(found["round-3"]["row"]) == 60 or method == "cal_er"  # whose replay need not visit every row
    with pytest.raises(Killed):
        played(tmp_path / "killed", cfg, epochs=6)
    played(tmp_path / "killed", cfg)
    again = tables(tmp_path / "killed")
    for name, table in found.items():
        for column, values in table.items():
            np.testing.assert_array_equal(again[name][column], values)


def test_a_fit_that_was_begun_without_it_leaves_no_table(configure: Callable[..., DictConfig], tmp_path: Path) -> None:
    words = ("method=al_ws", "stop=fixed_epochs", "trainer.max_epochs=4")
    with pytest.raises(Killed):
        played(tmp_path, configure(*words), epochs=6)
    played(tmp_path, configure(*words, "record.dynamics=true"))
    assert tables(tmp_path).keys() == {"round-3"}


def test_of_rounds_that_were_played_without_it_one_sentence_says_so(play: Callable[..., Any]) -> None:
    assert play().code == 0
    answer = play("record.dynamics=true")
    assert answer.code == 0
    assert "record.dynamics was not asked for when rounds 1, 2, 3 were played: they stay without it" in answer.out
