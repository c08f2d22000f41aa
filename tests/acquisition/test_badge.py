"""BADGE: the embedding against autograd, the law against enumeration."""

from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import chi2
from torch import Tensor

from calrun.acquisition.badge import Badge
from calrun.acquisition.base import Candidates
from calrun.acquisition.kernel.factors import distances
from calrun.acquisition.kernel.residual import residual

WEIGHT_CD = torch.randn(3, 4, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


def badge(**changes: object) -> Badge:
    options = {
        "first": "argmax_norm",
        "condition_on_labelled": False,
        "bias": False,
        "mode": "blocked",
        "greedy_trials": 1,
        "memory_gib": None,
    }
    return Badge(**(options | changes))  # type: ignore[arg-type]


def columns(number: int, seed: int = 0) -> dict[str, Tensor]:
    features_ND = torch.randn(number, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return {"features": features_ND, "logits": features_ND @ WEIGHT_CD.T}


def gradients(column: dict[str, Tensor], bias: bool = False) -> Tensor:
    """The gradient of the cross-entropy under the predicted label, row by row, by autograd."""
    rows = []
    for x_D, z_C in zip(column["features"], column["logits"], strict=True):
        weight_CD = WEIGHT_CD.clone().requires_grad_()
        bias_C = (z_C - weight_CD @ x_D).detach().requires_grad_()
        F.cross_entropy(weight_CD @ x_D + bias_C, z_C.argmax()).backward()
        rows.append(torch.cat([weight_CD.grad, bias_C.grad[:, None]], dim=1) if bias else weight_CD.grad)
    return torch.stack(rows).flatten(1)


@pytest.mark.parametrize("bias", [False, True])
def test_distances_are_those_of_autograds_gradients(bias: bool) -> None:
    column = columns(9)
    points = badge(bias=bias).embed(column["logits"], column["features"])
    every = points.block(slice(None))
    gradient_NE = gradients(column, bias)
    expected_NN = (gradient_NE[:, None] - gradient_NE).square().sum(dim=2)
    torch.testing.assert_close(distances(every, every), expected_NN, atol=1e-12, rtol=1e-9)


def test_first_row_has_the_largest_gradient_and_the_next_follow_squared_distances() -> None:
    column, runs = columns(6), 800
    gradient_NE = gradients(column)
    squared_NN = (gradient_NE[:, None] - gradient_NE).square().sum(dim=2)
    first = int(gradient_NE.norm(dim=1).argmax())
    second_N = squared_NN[first] / squared_NN[first].sum()
    law = {}
    for i in range(6):
        for j in range(6):
            nearest_N = torch.minimum(squared_NN[first], squared_NN[i])
            law[i, j] = float(second_N[i] * nearest_N[j] / nearest_N.sum())
    candidates, rng = Candidates(np.arange(6), column), np.random.default_rng(0)
    acquisition = badge()
    drawn = [acquisition.select(candidates, 3, rng).tolist() for _ in range(runs)]
    assert {picks[0] for picks in drawn} == {first}
    counts = Counter((i, j) for _, i, j in drawn)
    possible = [pair for pair, probability in law.items() if runs * probability >= 5]
    assert set(counts) <= {pair for pair, probability in law.items() if probability > 0}
    statistic = sum((counts[pair] - runs * law[pair]) ** 2 / (runs * law[pair]) for pair in possible)
    assert chi2.sf(statistic, len(possible) - 1) > 1e-3


def test_a_confident_row_keeps_its_small_gradient() -> None:
    residual_BC = residual(torch.tensor([[40.0, 0.0, 0.0]]))  # p - 1 is 0 in single precision
    torch.testing.assert_close(residual_BC, torch.tensor([[-2.0, 1.0, 1.0]]) * np.exp(-40.0).astype(np.float32))


def test_of_rows_without_a_gradient_one_stands_for_all() -> None:
    column = columns(8)
    column["logits"][2:5] = torch.tensor([900.0, 0.0, -900.0])
    for seed in range(20):
        picks = badge().select(Candidates(np.arange(8), column), 8, np.random.default_rng(seed)).tolist()
        assert picks[0] not in {2, 3, 4}
        assert len({2, 3, 4} & set(picks[:6])) == 1


def test_infinite_logits_are_refused() -> None:
    column = columns(4)
    column["logits"][1, 0] = -torch.inf
    with pytest.raises(ValueError, match=r"not finite \(first: \[1\]\)"):
        badge().select(Candidates(np.arange(4), column), 2, np.random.default_rng(0))


def test_labelled_rows_matter_only_when_conditioned_on() -> None:
    column, labelled = columns(30), columns(10, seed=1)
    column |= {f"labelled_{name}": tensor for name, tensor in labelled.items()}
    other = column | {"labelled_features": 3 * column["labelled_features"]}
    for condition, same in ((False, True), (True, False)):
        acquisition = badge(condition_on_labelled=condition)
        assert ("labelled_logits" in acquisition.needs) == condition
        picks = [
            acquisition.select(Candidates(np.arange(30), each), 8, np.random.default_rng(0)).tolist()
            for each in (column, other)
        ]
        assert (picks[0] == picks[1]) == same


def test_a_labelled_copy_is_never_drawn_while_there_are_others() -> None:
    column = columns(10)
    column |= {f"labelled_{name}": tensor[4:5] for name, tensor in column.items()}
    for seed in range(20):
        acquisition = badge(condition_on_labelled=True)
        assert 4 not in acquisition.select(Candidates(np.arange(10), column), 9, np.random.default_rng(seed))


@pytest.mark.parametrize("changes", [{"mode": "sequential"}, {"greedy_trials": 3}, {"first": "uniform"}])
def test_each_variant_gives_distinct_rows_from_the_seed_alone(changes: dict[str, object]) -> None:
    candidates = Candidates(np.arange(40), columns(40))
    one, other = (badge(**changes).select(candidates, 15, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert len(set(one.tolist())) == 15


def test_softmax_in_each_pass_gives_the_rows_of_softmax_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calrun.acquisition.kernel.memory.LEAST_ROWS", 1)
    candidates = Candidates(np.arange(2000), columns(2000))
    one = badge().select(candidates, 50, np.random.default_rng(3))
    other = badge(memory_gib=3e-5).select(candidates, 50, np.random.default_rng(3))  # less than the residuals need
    np.testing.assert_array_equal(one, other)
