"""What every round does, whatever the method."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from calrun.dataset.base import Block, StepRows
from calrun.dataset.resident import Resident
from calrun.dataset.transform import Transform
from calrun.fit import Fitter
from calrun.method.base import Method
from calrun.method.objective import CrossEntropy
from calrun.method.setup import Setup
from calrun.method.start import Warm
from calrun.method.visit import AllLabelled
from calrun.model.base import Classifier
from calrun.optimizer import Recipe
from calrun.pool import Pool
from calrun.predict import Predictor
from calrun.round import Round
from calrun.stop import FixedEpochs


class Noted(Resident):
    """A source that remembers the rows and the seed of each epoch it was asked for."""

    def blocks(self, steps: list[StepRows], seed: int) -> Iterator[Block]:
        self.asked = [*getattr(self, "asked", []), (np.concatenate([step.current for step in steps]).tolist(), seed)]
        return super().blocks(steps, seed)


def fitted(folder: Path, epochs: int) -> tuple[Method, Noted]:
    inputs = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    source = Noted(inputs, (inputs[:, 0] > 0).long().numpy(), Transform([0.0], [1.0]))
    setup = Setup(lambda: Classifier(torch.nn.Identity(), 6, 2), source, None, Predictor("cpu", "32-true", 64), 8)
    recipe = Recipe(torch.optim.SGD, 0.1, scales_lr=True)
    method = Method(Warm(), AllLabelled(), CrossEntropy(), recipe, FixedEpochs(epochs), setup)
    pool = Pool(source.targets, 2)
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
