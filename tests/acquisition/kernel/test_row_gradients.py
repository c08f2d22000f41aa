"""Gradient lengths of all rows at once, against autograd row after row.

Dimension key: B rows, C classes, D features.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calrun.acquisition.kernel.row_gradients import (
    Norm,
    Scheme,
    class_slopes,
    entropy_slope,
    last_layer_lengths,
    lengths_of_rows,
)
from calrun.model.base import Classifier
from calrun.model.transformer import FirstToken

Loss = Callable[[Tensor], Tensor]


def entropy(logits_1C: Tensor) -> Tensor:
    return -(logits_1C.softmax(dim=1) * logits_1C.log_softmax(dim=1)).sum()


def expected_loss(logits_1C: Tensor) -> Tensor:
    """Scheme 0 of the authors' code: the probabilities are not detached."""
    losses = [F.cross_entropy(logits_1C, torch.tensor([c])) for c in range(logits_1C.shape[1])]
    return (logits_1C.softmax(dim=1)[0] * torch.stack(losses)).sum()


def detached_loss(logits_1C: Tensor) -> Tensor:
    losses = [F.cross_entropy(logits_1C, torch.tensor([c])) for c in range(logits_1C.shape[1])]
    return (logits_1C.softmax(dim=1)[0].detach() * torch.stack(losses)).sum()


def convolutional() -> Classifier:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Flatten()]
    net = Classifier(nn.Sequential(*layers, nn.Linear(48, 5), nn.Tanh()), 5, 4)
    net(torch.randn(32, 1, 4, 4))
    net.spare = nn.Linear(3, 2)  # takes part in nothing, as the second head of the authors' network
    return net.eval()


def pictures(number: int = 6) -> Tensor:
    return torch.randn(number, 1, 4, 4, generator=torch.Generator().manual_seed(1))


def one_by_one(net: nn.Module, x: Tensor, loss: Loss, norm: Norm = "sum", only: str = "") -> Tensor:
    """The authors' loop: a backward pass for each row."""
    lengths = []
    for row in x:
        net.zero_grad()
        loss(net(row[None]).logits_BC).backward()
        named = [(name, parameter.grad) for name, parameter in net.named_parameters() if parameter.grad is not None]
        norms = torch.stack([gradient.norm() for name, gradient in named if name.startswith(only)])
        lengths.append(norms.sum() if norm == "sum" else norms.norm())
    net.zero_grad()
    return torch.stack(lengths)


@pytest.mark.parametrize("norm", ["sum", "whole"])
@pytest.mark.parametrize("scheme", ["entropy", "expected"])
def test_lengths_are_those_of_a_loop_with_autograd(scheme: Scheme, norm: Norm) -> None:
    net, x = convolutional(), pictures()
    together = lengths_of_rows(net, scheme, norm, x[:1])(x)
    torch.testing.assert_close(together, one_by_one(net, x, entropy, norm))


def test_the_expected_loss_of_the_authors_code_is_the_entropy_and_has_no_gradient_once_detached() -> None:
    net, x = convolutional(), pictures()
    torch.testing.assert_close(one_by_one(net, x, expected_loss), one_by_one(net, x, entropy))
    assert one_by_one(net, x, detached_loss).max() < 1e-5 * one_by_one(net, x, entropy).max()


def test_the_expected_length_weighs_each_class() -> None:
    net, x = convolutional(), pictures()
    p_BC = net(x).logits_BC.softmax(dim=1).detach()
    each = [one_by_one(net, x, lambda z, c=c: F.cross_entropy(z, torch.tensor([c]))) for c in range(4)]
    expected = (p_BC * torch.stack(each, dim=1)).sum(dim=1)
    torch.testing.assert_close(lengths_of_rows(net, "expected_length", "sum", x[:1])(x), expected)


@pytest.mark.parametrize("norm", ["sum", "whole"])
@pytest.mark.parametrize("scheme", ["entropy", "expected_length"])
def test_the_last_layer_in_closed_form_is_what_autograd_gives(scheme: Scheme, norm: Norm) -> None:
    net, x = convolutional(), pictures()
    out = net(x)
    closed = last_layer_lengths(out.logits_BC.detach(), out.features_BD.detach(), scheme, norm)
    if scheme == "entropy":
        expected = one_by_one(net, x, entropy, norm, only="head.")
    else:
        each = [
            one_by_one(net, x, lambda z, c=c: F.cross_entropy(z, torch.tensor([c])), norm, "head.") for c in range(4)
        ]
        expected = (out.logits_BC.softmax(dim=1).detach() * torch.stack(each, dim=1)).sum(dim=1)
    torch.testing.assert_close(closed, expected)


def test_the_slope_by_hand() -> None:
    p = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    entropy_of_p = -(p * p.log()).sum()
    torch.testing.assert_close(entropy_slope(p.log()[None])[0], -p * (p.log() + entropy_of_p))
    weights, slopes = zip(*class_slopes(p.log()[None]), strict=True)
    torch.testing.assert_close(torch.stack(weights)[:, 0], p)
    torch.testing.assert_close(torch.stack(slopes)[:, 0], p[None] - torch.eye(3, dtype=torch.float64))


@pytest.mark.parametrize("logits", [[0.0, 0.0, 0.0, 0.0], [500.0, 0.0, 0.0, -500.0]], ids=["uniform", "certain"])
def test_a_prediction_that_is_uniform_or_certain_has_no_slope(logits: list[float]) -> None:
    assert entropy_slope(torch.tensor([logits])).abs().max() < 1e-6


def test_a_picture_of_pixels_has_the_mean_entropy_of_its_pixels() -> None:
    logits_BCHW = torch.randn(1, 4, 3, 2, dtype=torch.float64, requires_grad=True)
    p = logits_BCHW.softmax(dim=1)
    (expected,) = torch.autograd.grad(-(p * p.log()).sum(dim=1).mean(), logits_BCHW)
    torch.testing.assert_close(entropy_slope(logits_BCHW.detach()), expected)


def test_pixels_have_no_expected_length() -> None:
    with pytest.raises(ValueError, match=r"choose acquisition\.scheme=entropy"):
        next(class_slopes(torch.zeros(1, 4, 3, 2)))


def test_rows_neither_mix_nor_depend_on_their_order() -> None:
    net, x = convolutional(), pictures(7)
    of_rows = lengths_of_rows(net, "entropy", "sum", x[:1])
    whole, parts = of_rows(x), torch.cat([of_rows(x[:3]), of_rows(x[3:])])
    torch.testing.assert_close(whole, parts)
    torch.testing.assert_close(of_rows(x.flip(0)), whole.flip(0))


def test_a_network_that_asks_for_values_takes_row_after_row() -> None:
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    encoder = BertModel(BertConfig(vocab_size=50, intermediate_size=32, **sizes), add_pooling_layer=False)
    net, x = Classifier(FirstToken(encoder), 16, 4).eval(), torch.randint(1, 50, (3, 7))
    x[1, 4:] = 0
    together = lengths_of_rows(net, "entropy", "sum", x[:1])(x)
    torch.testing.assert_close(together, one_by_one(net, x, entropy))


def test_an_error_of_the_network_is_its_own(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        lengths_of_rows(convolutional(), "entropy", "sum", torch.randn(1, 1, 5, 5))
