"""Metrics of one class per row.

Dimension key: N rows, C classes.
"""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, log_loss

from calrun.task.classification import Classification, auc, matthews, recall, top5


def metrics(logits_NC: torch.Tensor, targets: np.ndarray) -> dict[str, float]:
    return Classification().metrics(logits_NC, targets, logits_NC.shape[1])


def test_metrics_by_hand() -> None:
    """Classes 0, 0, 1: one error in class 0; class 2 never occurs and counts nowhere."""
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 2.0, 0.0]])
    found = metrics(logits, np.array([0, 0, 1]))
    right, wrong = -2 + math.log(math.exp(2) + 2), math.log(math.exp(2) + 2)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["balanced_accuracy"] == pytest.approx((0.5 + 1) / 2)
    assert found["loss"] == pytest.approx((2 * right + wrong) / 3)


def test_metrics_agree_with_scikit_learn() -> None:
    logits_NC = torch.randn(200, 4, generator=torch.Generator().manual_seed(0)) * 3
    targets = np.random.default_rng(0).integers(0, 4, 200)
    found, predicted = metrics(logits_NC, targets), logits_NC.argmax(1).numpy()
    assert found["accuracy"] == pytest.approx((predicted == targets).mean())
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(targets, predicted), abs=1e-6)
    assert found["loss"] == pytest.approx(log_loss(targets, logits_NC.double().softmax(1).numpy(), labels=range(4)))


def test_equal_logits_count_for_the_lower_class() -> None:
    assert metrics(torch.zeros(2, 3), np.array([0, 1]))["accuracy"] == 0.5


def test_each_row_has_its_own_loss() -> None:
    logits_BC, y_B = torch.randn(5, 3), torch.tensor([0, 1, 2, 1, 0])
    task = Classification()
    torch.testing.assert_close(task.losses(logits_BC, y_B).mean(), task.loss(logits_BC, y_B))
    assert task.losses(logits_BC, y_B).shape == (5,)


def test_matthews_of_two_classes_is_the_formula_of_the_confusion_matrix() -> None:
    targets, predicted = np.array([1, 1, 1, 0, 0, 0, 0, 1]), torch.tensor([1, 1, 0, 0, 0, 1, 0, 1])
    tp, tn, fp, fn = 3, 3, 1, 1
    wanted = (tp * tn - fp * fn) / math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert dict(matthews(torch.eye(2)[predicted], targets))["matthews"] == pytest.approx(wanted)


def test_auc_is_the_share_of_pairs_in_order_and_leaves_out_a_class_that_does_not_occur() -> None:
    logits_NC = torch.randn(60, 3, generator=torch.Generator().manual_seed(1))
    targets = np.random.default_rng(1).integers(0, 2, 60)
    probs = logits_NC.double().softmax(1).numpy()
    areas = [
        np.mean([(a > b) + 0.5 * (a == b) for a in probs[targets == c, c] for b in probs[targets != c, c]])
        for c in (0, 1)
    ]
    assert dict(auc(logits_NC, targets)) == {"auc": pytest.approx(np.mean(areas))}
    assert dict(auc(logits_NC, np.zeros(60, dtype=np.int64))) == {}


def test_recall_by_hand() -> None:
    logits = torch.eye(3)[torch.tensor([0, 1, 1, 1])]
    assert dict(recall(logits, np.array([0, 0, 1, 1]))) == {"recall/0": 0.5, "recall/1": 1.0}


def test_top5_is_the_share_of_labels_among_the_five_largest_logits() -> None:
    logits_NC = torch.randn(9_000, 12, generator=torch.Generator().manual_seed(0))
    targets = np.random.default_rng(0).integers(0, 12, 9_000)
    among = [target in row.argsort()[-5:] for row, target in zip(logits_NC.numpy(), targets, strict=True)]
    assert dict(top5(logits_NC, targets)) == {"top5": pytest.approx(np.mean(among))}


def test_top5_counts_the_first_of_equal_logits_and_every_row_of_few_classes() -> None:
    assert dict(top5(torch.zeros(8, 8), np.arange(8))) == {"top5": 5 / 8}
    assert dict(top5(torch.randn(6, 3), np.array([0, 1, 2, 0, 1, 2]))) == {"top5": 1.0}
