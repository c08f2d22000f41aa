"""Boosting on a network, and as a user types it.

Dimension key: N candidates, C classes, D features.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from calrun.acquisition.base import Candidates
from calrun.acquisition.boosting import Boosting
from calrun.model.base import Classifier


@dataclass
class Pictures:
    x: Tensor

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        for start in range(0, len(rows), batch_size):
            yield rows[start : start + batch_size], self.x[rows[start : start + batch_size]]


def network() -> Classifier:
    torch.manual_seed(0)
    return Classifier(nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.ReLU()), 6, 3).eval()


def world() -> tuple[Classifier, Tensor, Candidates]:
    net, x = network(), torch.randn(50, 4, 4, generator=torch.Generator().manual_seed(1))
    out = net(x)
    columns: dict[str, Any] = {"images": Pictures(x), "model": net, "head_weight": net.head.weight.detach()}
    columns |= {"logits": out.logits_BC.detach(), "features": out.features_BD.detach()}
    return net, x, Candidates(np.arange(50), columns)


def literal(net: Classifier, x: Tensor, only: str = "") -> Tensor:
    """The authors' loop: entropy, a backward pass for each row, and the sum of the tensors' norms."""
    lengths = []
    for row in x:
        logits_1C = net(row[None]).logits_BC
        loss = -(logits_1C.softmax(dim=1) * logits_1C.log_softmax(dim=1)).sum()
        parameters = [parameter for name, parameter in net.named_parameters() if name.startswith(only)]
        lengths.append(sum(gradient.norm() for gradient in torch.autograd.grad(loss, parameters)))
    return torch.stack(lengths)


@pytest.mark.parametrize("scheme", ["entropy", "expected"])
@pytest.mark.parametrize(("params", "only"), [("all", ""), ("last", "head.")])
def test_the_longest_gradients_are_taken(params: Any, only: str, scheme: Any) -> None:
    net, x, candidates = world()
    rows = Boosting(scheme, params, "sum", None).select(candidates, 9, np.random.default_rng(0))
    assert rows.tolist() == literal(net, x, only).argsort(descending=True)[:9].tolist()


@pytest.mark.parametrize(("limit", "value"), [("MOST_ROWS", 7), ("CACHE_BYTES", 1)])
def test_chunks_change_nothing(limit: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, candidates = world()
    whole = Boosting("entropy", "all", "sum", None).select(candidates, 20, np.random.default_rng(0))
    monkeypatch.setattr(f"calrun.acquisition.boosting.{limit}", value)
    parts = Boosting("entropy", "all", "sum", None).select(candidates, 20, np.random.default_rng(0))
    np.testing.assert_array_equal(parts, whole)


def test_a_frozen_layer_counts_as_much() -> None:
    net, _, candidates = world()
    free = Boosting("entropy", "all", "sum", None).select(candidates, 20, np.random.default_rng(0))
    net.requires_grad_(False)
    frozen = Boosting("entropy", "all", "sum", None).select(candidates, 20, np.random.default_rng(0))
    np.testing.assert_array_equal(frozen, free)


@pytest.mark.parametrize("words", [(), ("acquisition.params=last",), ("acquisition.scheme=expected_length",)])
def test_it_plays_and_plans_as_typed(
    words: tuple[str, ...], calrun: Callable[..., Any], small: tuple[str, ...]
) -> None:
    assert "fits: at most" in calrun("plan", *small, "acquisition=boosting", *words).out
    answer = calrun("run", *small, "acquisition=boosting", "method=cal_er", *words)
    assert answer.code == 0, answer.err


@pytest.mark.parametrize("key", ["scheme", "params", "norm"])
def test_a_word_that_is_none_of_the_legal_ones_is_refused(
    key: str, refusal: Callable[..., str], small: tuple[str, ...]
) -> None:
    assert f"acquisition.{key} wants" in refusal("run", *small, "acquisition=boosting", f"acquisition.{key}=egl")
