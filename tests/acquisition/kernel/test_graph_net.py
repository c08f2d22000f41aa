"""The graph network without its M x M matrix, against the dense one of the authors' code written out.

Dimension key: M rows of the graph (N candidates, then L labelled rows), D features.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from calrun.acquisition.kernel.graph_net import LEAST_DEGREE, Graph, GraphNet, GraphOptions, fitted, told_apart
from tests.acquisition.literal_gcn import adjacency, literal_fit

OPTIONS = GraphOptions(hidden_units=16, dropout=0.3, steps=25, lr=1e-2, weight_decay=5e-4, unlabelled_weight=1.2)


def features(number: int, width: int = 8, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(number, width, generator=torch.Generator().manual_seed(0), dtype=dtype) + 0.05


def test_a_product_with_the_graph_is_one_with_the_dense_matrix() -> None:
    features_MD, x_MV = features(300, 12), torch.randn(300, 5, dtype=torch.float64)
    torch.testing.assert_close(Graph(features_MD).times(x_MV), adjacency(features_MD) @ x_MV, rtol=1e-12, atol=1e-12)


def test_the_gradient_of_a_product_is_the_dense_one() -> None:
    features_MD, x_MV = features(20), torch.randn(20, 2, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(Graph(features_MD).times(x_MV).square().sum(), x_MV)
    dense_MM = adjacency(features_MD)
    torch.testing.assert_close(gradient, 2 * dense_MM.T @ dense_MM @ x_MV.detach())


def test_the_fit_is_the_dense_one_of_the_authors(tmp_path: Path) -> None:
    features_MD, number = features(60), 40
    begun = GraphNet(Graph(features_MD), number, OPTIONS, seed=7)

    def mask(step: int) -> Tensor:
        drawn = torch.Generator().manual_seed(7 + step)
        return torch.empty(60, 16, dtype=torch.float64).bernoulli_(1 - OPTIONS.dropout, generator=drawn)

    score_M, hidden_MH = literal_fit(features_MD, number, begun, OPTIONS, mask)
    net = fitted(features_MD[:number], features_MD[number:], OPTIONS, 7, tmp_path / "graph")
    torch.testing.assert_close(net.hidden(), hidden_MH, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(net.labelled_logits(net.hidden()).sigmoid(), score_M, rtol=1e-9, atol=1e-10)


def test_the_loss_by_hand() -> None:
    logits_M = torch.tensor([0.0, 2.0, -1.0])  # two candidates and a labelled row
    candidates, labelled = logits_M[:2].sigmoid(), logits_M[2:].sigmoid()
    expected = -labelled.log() - 1.2 * (1 - candidates).log().mean()
    torch.testing.assert_close(told_apart(logits_M, 2, 1.2), expected.squeeze())


def test_rows_that_look_alike_are_told_from_the_others(tmp_path: Path) -> None:
    features_MD = features(60, dtype=torch.float32)
    features_MD[40:] += torch.tensor([2.0] * 4 + [0.0] * 4)
    net = fitted(features_MD[:40], features_MD[40:], replace(OPTIONS, steps=60), 0, tmp_path / "graph")
    logits_M = net.labelled_logits(net.hidden())
    assert logits_M[40:].mean() > logits_M[:40].mean() + 0.1


def test_first_weights_have_the_range_of_the_authors_code() -> None:
    net = GraphNet(Graph(features(30)), 20, replace(OPTIONS, hidden_units=400), seed=0)
    assert 0.99 / 20 < net.inner_DH.abs().max() <= 1 / 20
    assert 0.99 < net.outer_H1.abs().max() <= 1


@pytest.mark.parametrize("kind", ["nothing", "opposite"])
def test_similarities_that_cancel_stay_finite(kind: str) -> None:
    features_MD = features(10)
    if kind == "nothing":
        features_MD[3] = 0
    else:
        features_MD = torch.cat([features_MD, -features_MD, features_MD[:1]])
    graph = Graph(features_MD)
    assert graph.degree_M1.abs().min() >= LEAST_DEGREE * len(features_MD)
    assert graph.times(features_MD).isfinite().all()


def test_a_killed_fit_goes_on_to_the_same_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features_MD = features(60, dtype=torch.float32)
    whole = fitted(features_MD[:40], features_MD[40:], OPTIONS, 3, tmp_path / "whole")
    steps: list[int] = []
    step = GraphNet.training_step

    def unplugged(net: GraphNet, *batch: Any) -> Tensor:
        steps.append(net.current_epoch)
        if len(steps) == 24:
            raise OSError("unplugged")
        return step(net, *batch)

    monkeypatch.setattr(GraphNet, "training_step", unplugged)
    with pytest.raises(OSError, match="unplugged"):
        fitted(features_MD[:40], features_MD[40:], OPTIONS, 3, tmp_path / "killed")
    assert list((tmp_path / "killed").glob("*.ckpt"))
    resumed = fitted(features_MD[:40], features_MD[40:], OPTIONS, 3, tmp_path / "killed")
    assert steps[24:] == [20, 21, 22, 23, 24]
    assert not list(tmp_path.iterdir())
    for name, parameter in whole.named_parameters():
        assert torch.equal(parameter, resumed.get_parameter(name)), name


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"steps": 0}, "acquisition.graph.steps wants at least 1, got 0"),
        ({"hidden_units": 0}, "acquisition.graph.hidden_units wants at least 1"),
        ({"dropout": 1.0}, "acquisition.graph.dropout wants a share from 0 to below 1, got 1.0"),
        ({"lr": -1.0}, "acquisition.graph.lr wants at least 0, got -1.0"),
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(OPTIONS, **wrong)


def test_a_loss_that_is_no_number_ends_the_fit(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the graph network, .*the loss is .*lower acquisition.graph.lr"):
        fitted(features(40), features(20), replace(OPTIONS, lr=1e300), 0, tmp_path / "graph")
