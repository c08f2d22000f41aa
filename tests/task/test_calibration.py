"""Calibration of predicted probabilities, against the formulas typed again.

Dimension key: N rows, C classes.
"""

import math

import numpy as np
import pytest
import torch

from calrun.task.calibration import brier, ece, nll


def literal_ece(probs_NC: np.ndarray, targets_N: np.ndarray, bins: int) -> float:
    """Guo et al. 2017, Eq. 3: sum over bins of |B| / n * |acc(B) - conf(B)|, bins equally wide."""
    confidence_N, right_N = probs_NC.max(axis=1), probs_NC.argmax(axis=1) == targets_N
    total = 0.0
    for number in range(bins):
        low, high = number / bins, (number + 1) / bins
        members = (confidence_N >= low) & ((confidence_N < high) | (number == bins - 1))
        if members.any():
            total += members.sum() / len(targets_N) * abs(right_N[members].mean() - confidence_N[members].mean())
    return total


@pytest.fixture
def drawn() -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Logits, probabilities and labels of 400 rows and 5 classes, some rows sure beyond single precision."""
    logits_NC = torch.randn(400, 5, generator=torch.Generator().manual_seed(0)) * 3
    logits_NC[:40, 2] += 60
    probs_NC = np.exp(logits_NC.double().numpy())
    targets_N = np.random.default_rng(0).integers(0, 5, 400)
    targets_N[:200] = logits_NC[:200].argmax(dim=1).numpy()
    return logits_NC, probs_NC / probs_NC.sum(axis=1, keepdims=True), targets_N


def test_ece_has_fifteen_bins_and_confidence_1_is_in_the_last(
    drawn: tuple[torch.Tensor, np.ndarray, np.ndarray],
) -> None:
    logits_NC, probs_NC, targets_N = drawn
    nearly_sure = np.flatnonzero(probs_NC.max(axis=1) > 14 / 15)
    targets_N[nearly_sure] = probs_NC[nearly_sure].argmax(axis=1)  # their accuracy lies above their confidence
    targets_N[:20] = 0  # sure and wrong: below it, and in a bin of their own they would count more
    wanted = literal_ece(probs_NC, targets_N, bins=15)
    assert dict(ece(logits_NC, targets_N))["ece"] == pytest.approx(wanted, abs=1e-6)
    assert abs(wanted - literal_ece(probs_NC, targets_N, bins=14)) > 1e-4


def test_brier_and_likelihood_are_their_formulas(drawn: tuple[torch.Tensor, np.ndarray, np.ndarray]) -> None:
    logits_NC, probs_NC, targets_N = drawn
    distance = ((probs_NC - np.eye(5)[targets_N]) ** 2).sum(axis=1).mean()
    assert dict(brier(logits_NC, targets_N))["brier"] == pytest.approx(distance)
    assert dict(nll(logits_NC, targets_N))["nll"] == pytest.approx(-np.log(probs_NC[range(400), targets_N]).mean())


def test_a_coin_by_hand() -> None:
    """Probability 3/4 for class 0, which is right once in two rows."""
    logits_NC, targets_N = torch.tensor([[math.log(3), 0.0]] * 2), np.array([0, 1])
    found = dict([*ece(logits_NC, targets_N), *brier(logits_NC, targets_N), *nll(logits_NC, targets_N)])
    assert found["ece"] == pytest.approx(0.25)
    assert found["brier"] == pytest.approx((2 * 0.25**2 + 2 * 0.75**2) / 2)
    assert found["nll"] == pytest.approx(-(math.log(0.75) + math.log(0.25)) / 2)


def test_a_wrong_prediction_beyond_all_doubt_costs_a_finite_number() -> None:
    logits_NC, targets_N = torch.tensor([[2_000.0, 0.0]]), np.array([1])
    assert dict(nll(logits_NC, targets_N))["nll"] == 2_000
    assert dict(brier(logits_NC, targets_N))["brier"] == 2
