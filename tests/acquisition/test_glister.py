import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from calrun.acquisition.base import Candidates
from calrun.acquisition.glister import Glister
from calrun.acquisition.kernel.glister_head import Gains, HeadGradient, ValidationHead, taylor_gains
from calrun.acquisition.kernel.glister_regulariser import Gradients
from calrun.acquisition.kernel.residual import residual

N, L, V, C, D = 25, 8, 10, 3, 4


def world(seed: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)
    features = {
        name: torch.randn(size, D, generator=generator).double()
        for name, size in (("", N), ("labelled_", L), ("val_", V))
    }
    weight_CD, bias_C = torch.randn(C, D, generator=generator).double(), torch.randn(C, generator=generator).double()
    columns: dict[str, Any] = {}
    for name, features_ND in features.items():
        columns[name + "features"] = features_ND
        columns[name + "logits"] = features_ND @ weight_CD.T + bias_C
        columns[name + "targets"] = torch.randint(C, (len(features_ND),), generator=generator)
    return columns


def glister(**options: Any) -> Glister:
    regulariser = {"name": options.pop("name", "none"), "weight": options.pop("weight", 0.1)}
    defaults = {"lr": 0.1, "validation": "pool", "inner_grad": "sum", "refresh_every": 1, "memory_gib": None}
    return Glister(**{**defaults, **options}, regulariser=regulariser)


def picks(columns: dict[str, Any], budget: int, **options: Any) -> list[int]:
    acquisition = glister(**options)
    candidates = Candidates(np.arange(N), {name: columns[name] for name in acquisition.needs})
    return acquisition.select(candidates, budget, np.random.default_rng(0)).tolist()


def embeddings(features_ND: Tensor, logits_NC: Tensor, targets_N: Tensor) -> Tensor:
    """The last-layer gradients, N x C x (D + 1), materialised and by automatic differentiation."""
    rows = []
    for features_D, logits_C, target in zip(features_ND, logits_NC, targets_N, strict=True):
        leaf_C = logits_C.clone().requires_grad_()
        (slope_C,) = torch.autograd.grad(F.cross_entropy(leaf_C, target), leaf_C)
        rows.append(torch.outer(slope_C, torch.cat([features_D, torch.ones(1).double()])))
    return torch.stack(rows)


def picks_materialised(columns: dict[str, Any], budget: int, options: dict[str, Any]) -> list[int]:
    """The same greedy search with every gradient as a matrix and the head moved as a head."""
    lr, name, weight = 0.1, options.get("name", "none"), options.get("weight", 0.1)
    hypothesised_N = columns["logits"].argmax(dim=1)
    pool_NCD = embeddings(columns["features"], columns["logits"], hypothesised_N)
    labelled = [columns["labelled_" + column] for column in ("features", "logits", "targets")]
    val = {
        "pool": [
            torch.cat(both)
            for both in zip([columns["features"], columns["logits"], hypothesised_N], labelled, strict=True)
        ],
        "labelled": labelled,
        "val": [columns["val_" + column] for column in ("features", "logits", "targets")],
    }[options.get("validation", "pool")]
    ones_V1 = torch.ones(len(val[0]), 1).double()
    steps_LCD = embeddings(*labelled)
    step_CD = steps_LCD.mean(dim=0) if options.get("inner_grad") == "mean" else steps_LCD.sum(dim=0)
    logits_VC = val[1] - lr * torch.cat([val[0], ones_V1], dim=1) @ step_CD.T
    squared_NN = (pool_NCD[:, None] - pool_NCD[None]).square().sum(dim=(2, 3))
    nearest_N = torch.full((N,), squared_NN.max().item()).double()
    batch: list[int] = []
    for _ in range(budget):
        slope_CD = embeddings(val[0], logits_VC, val[2]).mean(dim=0)
        gain_N = (pool_NCD * slope_CD).sum(dim=(1, 2))
        if name == "facility_location":
            gain_N += weight * (nearest_N - torch.minimum(nearest_N, squared_NN)).sum(dim=1)
        if name == "diversity":
            gain_N -= weight * torch.exp(-squared_NN[:, batch] / 2).sum(dim=1)
        gain_N[batch] = -torch.inf
        batch.append(int(gain_N.argmax()))
        nearest_N = torch.minimum(nearest_N, squared_NN[batch[-1]])
        logits_VC = logits_VC - lr * torch.cat([val[0], ones_V1], dim=1) @ pool_NCD[batch[-1]].T
    return batch


VARIANTS: list[dict[str, Any]] = [
    {"validation": "pool"},
    {"validation": "labelled"},
    {"validation": "val"},
    {"inner_grad": "mean"},
    {"name": "diversity", "weight": 0.3},
    {"name": "facility_location", "weight": 0.05},
]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_picks_are_those_of_the_materialised_gradients(seed: int, options: dict[str, Any]) -> None:
    columns = world(seed)
    assert picks(columns, 8, **options) == picks_materialised(columns, 8, options)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_columns_in_half_precision_are_read_in_single_precision(options: dict[str, Any]) -> None:
    columns = world(0)
    stored = {name: column.half() if column.is_floating_point() else column for name, column in columns.items()}
    copies = {name: column.float() if column.is_floating_point() else column for name, column in stored.items()}
    assert picks(stored, N, **options) == picks(copies, N, **options)


@pytest.mark.parametrize("name", ["labelled_logits", "val_logits"])
def test_a_logit_of_minus_infinity_is_refused(name: str) -> None:
    columns = world(0)
    columns[name][3, 0] = -torch.inf
    with pytest.raises(ValueError, match=r"logits, from 0, of 1 of \d+ rows are not finite"):
        picks(columns, 3, validation="val")


def head_of(columns: dict[str, Any]) -> ValidationHead:
    part = (columns["val_features"], columns["val_logits"], columns["val_targets"])
    return ValidationHead([part], torch.float64, memory_gib=None)


def gradient_of(columns: dict[str, Any]) -> HeadGradient:
    return head_of(columns).advance(columns["features"][:0], columns["logits"][:0], lr=0.0)


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 2**31))
def test_the_gain_is_the_fall_of_the_validation_loss_for_a_small_step(seed: int) -> None:
    columns = world(seed)
    residual_NC = residual(columns["logits"], columns["logits"].argmax(dim=1))
    gain_N = taylor_gains(columns["features"], residual_NC, gradient_of(columns))
    for row in range(5):
        head = head_of(columns)
        head.advance(columns["features"][[row]], residual_NC[[row]], lr=1e-6)
        before, after = (
            F.cross_entropy(logits, columns["val_targets"]) for logits in (columns["val_logits"], head.parts[0][1])
        )
        torch.testing.assert_close((before - after) / 1e-6, gain_N[row], rtol=1e-3, atol=1e-6)


def test_without_a_step_the_picks_are_the_largest_first_gains() -> None:
    columns = world(0)
    residual_NC = residual(columns["logits"], columns["logits"].argmax(dim=1))
    expected = (
        taylor_gains(columns["features"], residual_NC, gradient_of(columns)).argsort(descending=True)[:6].tolist()
    )
    assert picks(columns, 6, lr=0.0, validation="val") == expected


@pytest.mark.parametrize("seed", range(3))
def test_gains_that_cannot_win_are_not_renewed_and_the_best_is_the_same(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    features_ND, logits_NC = torch.randn(400, D, generator=generator), torch.randn(400, C, generator=generator)
    gradients = Gradients(residual(logits_NC, logits_NC.argmax(dim=1)), features_ND, memory_gib=None)
    lazy, taken_N, renewed = Gains(gradients, np.arange(400), chunk=64), np.zeros(400, dtype=bool), []
    weight_CD, bias_C = torch.randn(C, D, generator=generator), torch.randn(C, generator=generator)
    for _ in range(30):
        gradient = HeadGradient(weight_CD.clone(), bias_C)
        best = lazy.best(gradient, np.zeros(400), taken_N)
        renewed.append(lazy.known is not None and lazy.known[0] is gradient)
        assert best == Gains(gradients, np.arange(400), chunk=64).best(gradient, np.zeros(400), taken_N)
        taken_N[best] = True
        weight_CD += 0.01 * torch.randn(C, D, generator=generator)
    assert renewed[0]
    assert 1 <= sum(renewed) < 20


def test_rare_refreshes_take_the_best_of_stale_gains() -> None:
    columns = world(0)
    exact, stale = picks(columns, 6, lr=0.5), picks(columns, 6, lr=0.5, refresh_every=6)
    assert stale[0] == exact[0]
    assert stale != exact


def test_a_share_of_the_batch_is_random() -> None:
    columns = world(0)
    greedy, mixed = picks(columns, 10), picks(columns, 10, name="random", weight=0.33)
    assert mixed[:7] == greedy[:7]
    assert len(set(mixed)) == 10  # 6.7 greedy picks are 7, not 6 and not one row too many


def test_the_residual_of_a_confident_row_does_not_cancel() -> None:
    logits_NC = torch.tensor([[30.0, 0.0, 0.0]])
    assert residual(logits_NC, torch.tensor([0]))[0, 0].item() == pytest.approx(-2 * math.exp(-30), rel=1e-5)


def test_what_cannot_finish_is_refused_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calrun.acquisition.glister.MAX_FLOP", 1e3)
    with pytest.raises(ValueError, match=r"FLOP for 5 gradients over 33 validation rows.*refresh_every"):
        picks(world(0), 5)


def test_an_unknown_regulariser_is_refused() -> None:
    with pytest.raises(ValueError, match=r"regulariser\.name wants .*, got 'rand'"):
        glister(name="rand")
