"""What makes a row's features differ between training and evaluation, found by trying."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from calrun.acquisition.base import Acquisition
from calrun.dataset.source.resident import Resident
from calrun.dataset.source.transform import Transform
from calrun.experiment import build
from calrun.feature_store.fit.unfit import augments, is_random, looking
from calrun.look.predict import Predictor
from calrun.model.cnn import cnn


@pytest.mark.parametrize(("padding", "flip", "expected"), [(0, False, False), (1, False, True), (0, True, True)])
def test_augmentation_is_seen(padding: int, flip: bool, expected: bool) -> None:
    source = Resident(torch.randn(8, 1, 6, 6), np.zeros(8), Transform([0.0], [1.0], padding, flip))
    assert augments(source, Predictor("cpu", "32-true", 4), np.arange(8)) is expected


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_dropout_is_seen_and_batch_norm_is_not_moved(dropout: float) -> None:
    net = cnn(2, (1, 8, 8), width=4, dropout=dropout)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert is_random(net, torch.randn(2, 1, 8, 8)) is (dropout > 0)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert all(module.training for module in net.modules())


@pytest.mark.parametrize(
    ("needs", "said"),
    [({"logits", "features"}, []), ({"images"}, ["needs images"]), ({"mc_log_probs"}, ["needs dropout"])],
)
def test_acquisitions_that_need_the_backbone_are_seen(needs: set[str], said: list[str]) -> None:
    class Own(Acquisition):
        def select(self, candidates: object, budget: int, rng: object) -> np.ndarray:
            return np.arange(budget)

    Own.needs = frozenset(needs)
    assert [reason[: len(start)] for reason, start in zip(looking(Own(), {}), said, strict=True)] == said


def test_a_method_that_reads_the_store_itself_keeps_its_rows(
    configure: Callable[..., object], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr("calrun.method.composed.Composed.reads_features", True)
    exp = build(configure("feature_store=memmap", f"paths.features={tmp_path}"))
    assert exp.behind is None
    assert exp.data.input_shape == (1, 8, 8)
