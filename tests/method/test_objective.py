import math

import pytest
import torch
import torch.nn.functional as F

from calrun.method.objective import CrossEntropy, inverse_weights
from calrun.task.classification import Classification


def test_current_part_weighs_m_of_m_plus_r(make_batch) -> None:
    current, replay = make_batch([[0.0, 0.0]], [0]), make_batch([[5.0, 0.0], [5.0, 0.0]], [0, 0])
    old = math.log1p(math.exp(-5))
    assert CrossEntropy()(current, replay).item() == pytest.approx((math.log(2) + 2 * old) / 3, rel=1e-5)


def test_rare_classes_weigh_more_and_unseen_ones_as_one() -> None:
    torch.testing.assert_close(inverse_weights(torch.tensor([6, 2, 0])), torch.tensor([8 / 6, 4.0, 1.0]) / (8 / 6 + 5))


def test_weights_come_from_the_labels_of_the_round(make_batch, later_round) -> None:
    loss = CrossEntropy(class_weights="inverse")
    loss.begin_run(Classification(), 12, 3)
    loss.begin_round(later_round)  # rows 0 to 7 of classes 0 1 2 0 1 2 0 1
    current = make_batch([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]], [0, 2])
    expected = F.cross_entropy(current.logits, current.y, torch.tensor([8 / 3, 8 / 3, 8 / 2]))
    torch.testing.assert_close(loss(current, None), expected)
