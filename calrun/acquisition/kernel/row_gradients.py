"""The length of each row's gradient with respect to a network's parameters, through torch.func, some rows at a time.

A loss that depends on a row's logits alone has the gradient J^T s, J being the slope of the logits and s that of the
loss; s has a closed form for the losses here.

Dimension key: B rows of a chunk, C classes, D features.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap

Scheme = Literal["entropy", "expected", "expected_length"]
Norm = Literal["sum", "whole"]
Parameters = dict[str, Tensor]


def entropy_slope(logits_BC: Tensor) -> Tensor:
    """Returns the slope -p_c (ln p_c + H) of each row's entropy H with respect to its logits (B, C, ...).

    Where a row has logits for many pixels, H is the mean over them.
    """
    log_p_BC = logits_BC.log_softmax(dim=1)
    p_BC = log_p_BC.exp()
    entropy_B1 = -(p_BC * log_p_BC).sum(dim=1, keepdim=True)
    return -p_BC * (log_p_BC + entropy_B1) / max(logits_BC[:1, :1].numel(), 1)


def class_slopes(logits_BC: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields, for each class, its probability (B,) and the slope p - e_c of its cross-entropy (B, C).

    Raises:
        ValueError: if a row has logits for many pixels, each of another class.
    """
    if logits_BC.ndim != 2:
        raise ValueError(
            "acquisition.scheme=expected_length wants one prediction for each row, but came logits of shape "
            f"{tuple(logits_BC.shape)}; choose acquisition.scheme=entropy"
        )
    p_BC = logits_BC.softmax(dim=1)
    label_CC = torch.eye(logits_BC.shape[1], dtype=logits_BC.dtype, device=logits_BC.device)
    for c in range(logits_BC.shape[1]):
        yield p_BC[:, c], p_BC - label_CC[c]


def slopes(logits_BC: Tensor, scheme: Scheme) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields weights (B,) and slopes of losses with respect to the logits: a score is the weighted sum of lengths."""
    if scheme == "expected_length":
        yield from class_slopes(logits_BC)
    else:
        yield logits_BC.new_ones(len(logits_BC)), entropy_slope(logits_BC)


def lengths_of_rows(net: nn.Module, scheme: Scheme, norm: Norm, first: Tensor) -> Callable[[Tensor], Tensor]:
    """Returns what gives the gradient lengths (B,) of x (B, ...), with respect to all parameters, frozen or not.

    A network whose code asks for values, as encoders of texts do of their masks, takes row after row.

    Args:
        net: in evaluation mode.
        scheme: see `slopes`.
        norm: see `length`.
        first: some rows to try both on.
    """
    parameters = {name: parameter.detach() for name, parameter in net.named_parameters()}

    def of_row(x: Tensor) -> Tensor:
        def forward(weights: Parameters) -> Tensor:
            logits_1C: Tensor = functional_call(net, weights, (x[None],)).logits_BC
            return logits_1C

        logits_1C, pull = vjp(forward, parameters)  # type: ignore[misc]  # three only with auxiliary outputs
        parts = [weight_1 * length(pull(slope)[0].values(), norm) for weight_1, slope in slopes(logits_1C, scheme)]
        return torch.stack(parts).sum()

    together: Callable[[Tensor], Tensor] = vmap(of_row)
    try:
        together(first)
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        return lambda x: torch.stack([of_row(row) for row in x])
    return lambda x: together(x) if len(x) > 1 else of_row(x[0])[None]


def length(gradients: Iterable[Tensor], norm: Norm) -> Tensor:
    """Returns the sum of the tensors' norms, or the norm of all of them together."""
    norms = torch.stack([gradient.float().norm() for gradient in gradients])
    return norms.sum() if norm == "sum" else norms.norm()


def last_layer_lengths(logits_BC: Tensor, features_BD: Tensor, scheme: Scheme, norm: Norm) -> Tensor:
    """Returns the gradient lengths (B,) with respect to a linear head's weight and bias: s h^T and s."""
    feature_B = features_BD.norm(dim=1)
    reach_B = feature_B + 1 if norm == "sum" else (feature_B.square() + 1).sqrt()
    parts = [weight_B * slope_BC.norm(dim=1) for weight_B, slope_BC in slopes(logits_BC, scheme)]
    length_B: Tensor = torch.stack(parts).sum(dim=0) * reach_B
    return length_B
