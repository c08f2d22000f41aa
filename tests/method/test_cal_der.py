import math

import pytest
import torch

from calrun.method.cal_der import DarkReplay, logit_distance


def test_loss_is_equation_1(make_batch) -> None:
    current = make_batch([[0.0, 0.0]], [0])  # cross-entropy ln 2
    replay = make_batch([[0.0, 0.0]], [1], stored=[[3.0, 4.0]])  # squared distance 25 over 2 classes
    loss = DarkReplay(alpha=0.5, beta=2.0)(current, replay)
    assert loss.item() == pytest.approx(math.log(2) * (1 + 2.0) + 0.5 * 25 / 2)


def test_sum_is_classes_times_mean() -> None:
    logits, stored = torch.randn(5, 7), torch.randn(5, 7)
    mean, total = (logit_distance(logits, stored, reduction) for reduction in ("mean", "sum"))
    torch.testing.assert_close(total, 7 * mean)
    torch.testing.assert_close(total, ((logits - stored) ** 2).sum(dim=1).mean())


def test_round_without_history_is_plain_cross_entropy(make_batch) -> None:
    assert DarkReplay(0.5, 2.0)(make_batch([[0.0, 0.0]], [0]), None).item() == pytest.approx(math.log(2))


def test_unknown_reduction_is_refused() -> None:
    with pytest.raises(ValueError, match="mean or sum, got 'max'"):
        DarkReplay(0.5, 2.0, reduction="max")


def test_weights_below_0_are_refused() -> None:
    with pytest.raises(ValueError, match=r"method\.objective\.alpha wants at least 0, got -1"):
        DarkReplay(alpha=-1, beta=1)
