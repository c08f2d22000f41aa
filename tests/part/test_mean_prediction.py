"""The mean of what a fit predicts of each row, and the head that learns it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig

from calrun.experiment import Experiment
from calrun.model.base import Output
from calrun.part.batch import Batch
from calrun.part.dynamic_head import DynamicHead, divergence
from calrun.part.mean_prediction import MeanPrediction
from calrun.task.classification import Classification


def recorder_of(labelled: list[int], num_classes: int = 3, decay: float | None = None) -> MeanPrediction:
    recorder = MeanPrediction(decay)
    recorder.task, recorder.num_rows, recorder.num_classes = Classification(), 9, num_classes
    recorder._clear(np.array(labelled))
    return recorder


def batch(rows: list[int], probs: torch.Tensor) -> Batch:
    output = Output(probs.log().requires_grad_(), torch.ones(len(rows), 2), {})
    return Batch(torch.tensor(rows), torch.empty(len(rows)), torch.zeros(len(rows), dtype=torch.int64), output)


def predictions(visits: int, rows: int) -> torch.Tensor:
    return torch.randn(visits, rows, 3, generator=torch.Generator().manual_seed(0)).softmax(dim=2)


def test_it_is_the_mean_of_all_visits_replayed_ones_included() -> None:
    recorder, seen = recorder_of([2, 5, 7]), predictions(4, 2)
    for probs in seen:
        recorder.after_step(batch([7], probs[:1]), batch([2], probs[1:]))
    torch.testing.assert_close(recorder.mean_LC, torch.stack([seen[:, 1].mean(0), torch.zeros(3), seen[:, 0].mean(0)]))
    assert recorder.visits_L.tolist() == [4, 0, 4]


def test_the_authors_formula_typed_again() -> None:
    recorder, seen = recorder_of([0, 1]), predictions(5, 2)
    record = torch.zeros(2, 3)
    for epoch, probs in enumerate(seen):
        record = (epoch * record + probs) / (epoch + 1)
        recorder.after_step(batch([0, 1], probs), None)
    torch.testing.assert_close(recorder.mean_LC, record)


def test_a_decay_of_0_9_keeps_that_share_of_the_record() -> None:
    recorder, seen = recorder_of([0, 1], decay=0.9), predictions(3, 2)
    for probs in seen:
        recorder.after_step(batch([0, 1], probs), None)
    torch.testing.assert_close(recorder.mean_LC, 0.9 * (0.9 * seen[0] + 0.1 * seen[1]) + 0.1 * seen[2])


def test_a_loss_sees_the_visit_under_way_and_changes_no_record() -> None:
    recorder, seen = recorder_of([3, 4]), predictions(2, 2)
    recorder.after_step(batch([3, 4], seen[0]), None)
    now = batch([3, 4], seen[1])
    torch.testing.assert_close(recorder.with_visit(now), seen.mean(0))
    torch.testing.assert_close(recorder.mean_LC, seen[0])
    assert not recorder.with_visit(now).requires_grad


def test_the_divergence_by_hand() -> None:
    wanted, logits = torch.tensor([[0.5, 0.5], [1.0, 0.0]]), torch.tensor([[0.25, 0.75], [0.5, 0.5]]).log()
    expected = (0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75) + np.log(2)) / 2
    assert divergence(wanted, logits).item() == pytest.approx(expected)


@pytest.mark.parametrize("moves_network", [True, False])
def test_its_gradient_reaches_the_network_if_it_may(moves_network: bool) -> None:
    recorder = recorder_of([0, 1])
    head = DynamicHead(recorder, 1.0, None, moves_network)
    head.head = torch.nn.Linear(2, 3)
    features = torch.ones(2, 2, requires_grad=True)
    seen = batch([0, 1], predictions(1, 2)[0])
    loss = head.loss(seen.with_output(Output(seen.logits, features, {})), None)
    assert loss is not None
    loss.backward()
    assert (features.grad is not None) == moves_network
    assert seen.logits.grad is None  # the record is a target


def test_in_a_run_it_holds_the_labelled_rows_and_no_state_of_the_next_round(
    configure: Callable[..., DictConfig], play_in: Callable[..., Any], tmp_path: Path
) -> None:
    kept: list[Experiment] = []
    words = ("acquisition=tidal", "stop=fixed_epochs", "trainer.max_epochs=3", "method=al")
    play_in(tmp_path, configure(*words), prepare=kept.append)
    (exp,) = kept
    recorder = exp.acquisition.recorder
    assert recorder.visits_L.tolist() == [3.0] * 60
    torch.testing.assert_close(recorder.mean_LC.sum(dim=1), torch.ones(60))
    assert not any("mean_prediction" in name for name in exp.method.carried()["parts"])
