"""The graph network of Caramalau et al. 2021 written out, with the dense matrix of the authors' code.

Dimension key: M rows of the graph (N candidates, then L labelled rows), D features, H hidden units.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from calrun.acquisition.kernel.graph_net import GraphNet, GraphOptions


def adjacency(features_MD: Tensor) -> Tensor:
    """Returns what the authors' `aff_to_adj` makes of the rows."""
    unit_MD = features_MD / features_MD.norm(dim=1, keepdim=True)
    adjacency_MM = unit_MD @ unit_MD.T - torch.eye(len(unit_MD), dtype=unit_MD.dtype)
    return adjacency_MM @ torch.diag(1 / adjacency_MM.sum(dim=0)) + torch.eye(len(unit_MD), dtype=unit_MD.dtype)


def literal_fit(
    features_MD: Tensor, num_candidates: int, begun: GraphNet, options: GraphOptions, mask: Callable[[int], Tensor]
) -> tuple[Tensor, Tensor]:
    """Returns each row's probability of being labelled (M,) and its hidden features (M, H).

    Args:
        features_MD: candidates first.
        num_candidates: N.
        begun: a network whose first weights are taken.
        options: its.
        mask: gives the dropout mask of a step.
    """
    unit_MD = features_MD / features_MD.norm(dim=1, keepdim=True)
    adjacency_MM = adjacency(features_MD)
    weights = [parameter.detach().clone().requires_grad_() for parameter in begun.parameters()]
    inner_DH, inner_bias_H, outer_H1, outer_bias_1 = weights
    adam = torch.optim.Adam(weights, lr=options.lr, weight_decay=options.weight_decay)

    def forward(mask_MH: Tensor) -> tuple[Tensor, Tensor]:
        hidden_MH = F.relu(adjacency_MM @ (unit_MD @ inner_DH) + inner_bias_H)
        dropped_MH = hidden_MH * mask_MH
        score_M = torch.sigmoid(adjacency_MM @ (dropped_MH @ outer_H1) + outer_bias_1)[:, 0]
        return score_M, hidden_MH

    for step in range(options.steps):
        score_M, _ = forward(mask(step) / (1 - options.dropout))
        labelled, unlabelled = score_M[num_candidates:], score_M[:num_candidates]
        loss = -labelled.log().mean() - options.unlabelled_weight * (1 - unlabelled).log().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    score_M, hidden_MH = forward(torch.ones_like(mask(0)))
    return score_M.detach(), hidden_MH.detach()
