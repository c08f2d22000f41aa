"""What a round records of the stop set.

Dimension key: N rows, C classes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from sklearn.metrics import cohen_kappa_score

from calrun.folder.stop_set import PREDICTIONS, kappa, stop_rows, uncertainty
from calrun.pool import Pool


def test_kappa_by_hand_and_as_scikit_learn_has_it() -> None:
    """9 of 10 agree; by chance 0.5 * 0.6 + 0.5 * 0.4 would."""
    first, second = np.array([0] * 5 + [1] * 5), np.array([0] * 6 + [1] * 4)
    assert kappa(first, second) == pytest.approx((0.9 - 0.5) / 0.5)
    drawn = np.random.default_rng(0).integers(0, 4, (2, 300))
    drawn[1, :200] = drawn[0, :200]
    assert kappa(*drawn) == pytest.approx(cohen_kappa_score(*drawn))
    assert kappa(np.zeros(3, dtype=int), np.zeros(3, dtype=int)) == 1


def test_uncertainty_is_that_of_the_probabilities() -> None:
    logits_NC = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * 4
    probs_NC = np.exp(logits_NC.double().numpy())
    probs_NC /= probs_NC.sum(axis=1, keepdims=True)
    found = uncertainty(logits_NC)
    assert found["entropy"] == pytest.approx(-(probs_NC * np.log(probs_NC)).sum(axis=1).mean())
    assert found["confidence"] == pytest.approx(probs_NC.max(axis=1).mean())
    assert found["confidence_variance"] == pytest.approx(probs_NC.max(axis=1).var())
    assert uncertainty(torch.tensor([[1e4, 0.0]]))["entropy"] == 0
    assert uncertainty(logits_NC[:0]) == {}


def test_the_stop_set_holds_no_initial_and_no_held_out_row_and_stays_as_rows_are_labelled() -> None:
    pool = Pool.simulated(np.zeros(50, dtype=np.int64), 2, held_out=np.arange(40, 50))
    pool.label(np.arange(10), 1)
    rows = stop_rows(pool, 12, seed=0)
    assert len(set(rows.tolist())) == 12
    assert set(rows.tolist()) <= set(range(10, 40))
    pool.label(rows[:5], 2)
    np.testing.assert_array_equal(stop_rows(pool, 12, seed=0), rows)
    assert set(stop_rows(pool, 6, seed=0)) < set(rows)
    assert len(stop_rows(pool, 1_000, seed=0)) == 30
    assert set(stop_rows(pool, 12, seed=1)) != set(rows)


def test_a_round_compares_its_predictions_with_those_of_the_round_before(
    play_in: Callable[..., list[dict[str, Any]]], configure: Callable[..., DictConfig], tmp_path: Path
) -> None:
    found = [line["stop_set"] for line in play_in(tmp_path, configure("record.stop_set=150"))]
    predicted = [np.load(tmp_path / f"round-{number}" / PREDICTIONS) for number in (1, 2, 3)]
    assert "kappa" not in found[0]
    assert [one["kappa"] for one in found[1:]] == [kappa(*predicted[:2]), kappa(*predicted[1:])]
    assert [one["rows"] for one in found] == [150] * 3
    unlabelled = [one["unlabelled"] for one in found]
    assert unlabelled[0] == 150
    assert unlabelled[1] < 150


def test_asked_for_later_the_numbers_are_the_same(
    play_in: Callable[..., list[dict[str, Any]]], configure: Callable[..., DictConfig], tmp_path: Path
) -> None:
    """Rows that were bought since then were unlabelled then."""
    at_once = play_in(tmp_path / "once", configure("record.stop_set=150"))
    play_in(tmp_path / "later", configure("record.keep_states=true"))
    later = play_in(tmp_path / "later", configure("record.keep_states=true", "record.stop_set=150"))
    assert [line["stop_set"] for line in later] == [line["stop_set"] for line in at_once]


def test_without_it_nothing_is_recorded(
    play_in: Callable[..., list[dict[str, Any]]], configure: Callable[..., DictConfig], tmp_path: Path
) -> None:
    assert all("stop_set" not in line for line in play_in(tmp_path, configure()))
