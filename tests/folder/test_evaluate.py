"""Metrics of a network on the test sets.

Dimension key: N rows, C classes.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig

from calrun.experiment import Experiment
from calrun.folder.evaluate import entropy


@pytest.fixture
def logits_NC() -> torch.Tensor:
    return torch.randn(200, 4, generator=torch.Generator().manual_seed(0)) * 3


def test_entropy_is_of_the_prediction(logits_NC: torch.Tensor) -> None:
    p_NC = logits_NC.double().softmax(1)
    torch.testing.assert_close(entropy(logits_NC).double(), -(p_NC * p_NC.log()).sum(1), atol=1e-6, rtol=1e-5)
    assert entropy(torch.tensor([[1000.0, 0.0]])).item() == 0
    assert entropy(torch.zeros(1, 4)).item() == pytest.approx(math.log(4))


def test_what_record_asks_for_is_written(
    configure: Callable[..., DictConfig], tmp_path: Path, play_in: Callable[..., list[dict[str, Any]]]
) -> None:
    cfg = configure("record.accuracy_by_round=true", "record.test_entropy=true")
    lines = play_in(tmp_path, cfg)
    assert [len(line["accuracy_by_round"]) for line in lines] == [1, 2, 3]
    assert all(0 <= share <= 1 for line in lines for share in line["accuracy_by_round"])
    saved = np.load(tmp_path / "round-3" / "test_entropy.npy")
    assert saved.shape == (1597,)
    assert ((saved >= 0) & (saved <= math.log(10) + 1e-6)).all()
    plain = play_in(tmp_path / "plain", configure())
    assert "accuracy_by_round" not in plain[0]
    assert not (tmp_path / "plain" / "round-3" / "test_entropy.npy").exists()


def test_the_accuracy_of_a_round_is_that_on_its_own_rows(
    configure: Callable[..., DictConfig], tmp_path: Path, play_in: Callable[..., list[dict[str, Any]]]
) -> None:
    played: list[Experiment] = []
    cfg = configure("method=finetune_new", "record.accuracy_by_round=true", "trainer.cal_epochs=20")
    last = play_in(tmp_path, cfg, prepare=played.append)[-1]
    train, net, found = played[0].data.train, played[0].method.net.eval(), []
    for rows in played[0].pool.bought.values():
        ((_, x),) = train.batches(rows, 100)
        found.append((net(x).logits_BC.argmax(1).numpy() == train.targets[rows]).mean())
    assert len(set(found)) == 3
    assert last["accuracy_by_round"] == pytest.approx(found)


def test_the_validation_rows_are_measured_under_a_name_of_their_own_and_never_bought(
    configure: Callable[..., DictConfig], tmp_path: Path, play_in: Callable[..., list[dict[str, Any]]]
) -> None:
    played: list[Experiment] = []
    last = play_in(tmp_path, configure("val_fraction=0.3", "record.metrics=[matthews]"), prepare=played.append)[-1]
    train, pool, net = played[0].data.train, played[0].pool, played[0].method.net.eval()
    held_out = np.flatnonzero(pool.round_of < 0)
    assert len(held_out) == 60
    ((_, x),) = train.batches(held_out, 100)
    right = (net(x).logits_BC.argmax(1).numpy() == train.targets[held_out]).mean()
    assert last["validation"]["accuracy"] == pytest.approx(right)
    assert {*last["validation"]} == {*last["test"]["test"]} == {"accuracy", "balanced_accuracy", "loss", "matthews"}
    assert {*last["test"]} == {"test"}
    bought = np.concatenate([*pool.bought.values()])
    assert len(bought) == 60
    assert not np.isin(bought, held_out).any()


def test_a_run_without_validation_rows_has_no_metric_on_them(
    configure: Callable[..., DictConfig], tmp_path: Path, play_in: Callable[..., list[dict[str, Any]]]
) -> None:
    assert all("validation" not in line for line in play_in(tmp_path, configure("budget.rounds=1")))
