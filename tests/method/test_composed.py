"""What every round does, whatever the method."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from calrun.dataset.base import Block, StepRows
from calrun.dataset.source.resident import Resident
from calrun.dataset.source.transform import Transform
from calrun.look.predict import Predictor
from calrun.method.composed import Composed
from calrun.method.fit.fit import Fitter
from calrun.method.fit.optimizer import OptimizerFactory
from calrun.method.fit.stop import FixedEpochs
from calrun.method.objective import CrossEntropy
from calrun.method.start import Warm
from calrun.method.visit import AllLabelled, Newest, Replay, Visit
from calrun.model.base import Classifier
from calrun.part.setup import Setup
from calrun.pool import Pool
from calrun.round import Round
from calrun.task.classification import Classification


class Noted(Resident):
    """A source that remembers the rows and the seed of each epoch it was asked for."""

    def blocks(self, steps: list[StepRows], seed: int) -> Iterator[Block]:
        self.asked = [*getattr(self, "asked", []), (np.concatenate([step.current for step in steps]).tolist(), seed)]
        return super().blocks(steps, seed)


def made(visit: Visit, epochs: int = 1) -> tuple[Composed, Noted]:
    """A method for 40 rows, m = 8, learning rate 0.1."""
    inputs = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    source = Noted(inputs, (inputs[:, 0] > 0).long().numpy(), Transform([0.0], [1.0]))
    predictor = Predictor("cpu", "32-true", 64)
    setup = Setup(lambda: Classifier(torch.nn.Identity(), 6, 2), source, None, predictor, Classification(), 2, 8)
    factory = OptimizerFactory(torch.optim.SGD, 0.1, scales_lr=True)
    return Composed(Warm(), visit, CrossEntropy(), factory, FixedEpochs(epochs), setup), source


def fitted(folder: Path, epochs: int) -> tuple[Composed, Noted]:
    method, source = made(AllLabelled(), epochs)
    pool = Pool.simulated(source.targets, 2)
    pool.label(np.arange(30), 1)
    this_round = Round(1, 1, 0, 0, pool, folder)
    method.begin_round(this_round)
    Fitter({"accelerator": "cpu", "devices": 1}, 60, lambda *_: None)(method, this_round)
    return method, source


def test_every_epoch_has_its_own_order_and_its_own_augmentation(tmp_path: Path) -> None:
    _, source = fitted(tmp_path, epochs=4)
    orders, seeds = zip(*source.asked, strict=True)
    assert len(source.asked) == 4
    assert len({tuple(order) for order in orders}) == len(set(seeds)) == 4
    assert all(sorted(order) == list(range(30)) for order in orders)


def test_work_counts_steps_and_samples(tmp_path: Path) -> None:
    work = fitted(tmp_path, epochs=3)[0].work
    assert (work.epochs, work.steps, work.samples_forward, work.samples_backward) == (3, 12, 90, 90)


@pytest.mark.parametrize(
    ("visit", "history", "new", "factor"),
    [
        (Replay(16, lr_scale="linear"), 20, 12, (8 + 16) / 8),
        (Replay(16, lr_scale="linear"), 10, 12, (8 + 10) / 8),  # a history smaller than the replay
        (Replay(16, lr_scale="linear"), 20, 5, (5 + 16) / 8),  # fewer new rows than a batch
        (Replay(1, lr_scale="linear"), 20, 2, 1.0),  # never below the rate of a round without replay
        (Replay(16, lr_scale="linear"), 0, 12, 1.0),
        (Newest(), 20, 12, 1.0),
        (AllLabelled(), 20, 12, 1.0),
    ],
)
def test_the_rate_follows_the_rows_of_a_step(
    visit: Visit, history: int, new: int, factor: float, tmp_path: Path
) -> None:
    method, source = made(visit)
    pool = Pool.simulated(source.targets, 2)
    pool.label(np.arange(history), 1)
    pool.label(np.arange(history, history + new), 2)
    method.this_round = Round(2, 2, 0, 0, pool, tmp_path)
    method.begin_phase(0)
    assert method.configure_optimizers().param_groups[0]["lr"] == pytest.approx(0.1 * factor)
    assert len(visit.epoch(method.this_round, 0, 8)[0].current) <= 8
