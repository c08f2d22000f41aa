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
from sklearn.metrics import balanced_accuracy_score, log_loss

from calrun.evaluate import accuracy, entropy, split_metrics


@pytest.fixture
def logits_NC() -> torch.Tensor:
    return torch.randn(200, 4, generator=torch.Generator().manual_seed(0)) * 3


def test_metrics_by_hand() -> None:
    """Classes 0, 0, 1: one error in class 0; class 2 never occurs and counts nowhere."""
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 2.0, 0.0]])
    found = split_metrics(logits, np.array([0, 0, 1]))
    right, wrong = -2 + math.log(math.exp(2) + 2), math.log(math.exp(2) + 2)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["balanced_accuracy"] == pytest.approx((0.5 + 1) / 2)
    assert found["loss"] == pytest.approx((2 * right + wrong) / 3)


def test_metrics_agree_with_scikit_learn(logits_NC: torch.Tensor) -> None:
    targets = np.random.default_rng(0).integers(0, 4, 200)
    found, predicted = split_metrics(logits_NC, targets), logits_NC.argmax(1).numpy()
    assert found["accuracy"] == pytest.approx((predicted == targets).mean())
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(targets, predicted), abs=1e-6)
    assert found["loss"] == pytest.approx(log_loss(targets, logits_NC.double().softmax(1).numpy(), labels=range(4)))


def test_entropy_is_of_the_prediction(logits_NC: torch.Tensor) -> None:
    p_NC = logits_NC.double().softmax(1)
    torch.testing.assert_close(entropy(logits_NC).double(), -(p_NC * p_NC.log()).sum(1), atol=1e-6, rtol=1e-5)
    assert entropy(torch.tensor([[1000.0, 0.0]])).item() == 0
    assert entropy(torch.zeros(1, 4)).item() == pytest.approx(math.log(4))


def test_equal_logits_count_for_the_lower_class() -> None:
    assert accuracy(torch.zeros(2, 3), torch.tensor([0, 1])) == 0.5


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
