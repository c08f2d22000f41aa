"""Last-layer gradients in closed form, against torch's."""

import numpy as np
import torch
from torch import nn

from calrun.method.match.gradients import batch_gram, errors, row_gram

GENERATOR = torch.Generator().manual_seed(0)
FEATURES_ND = torch.randn(7, 4, generator=GENERATOR, dtype=torch.double)
TARGETS_N = np.array([0, 2, 1, 2, 0, 1, 1])
HEAD = nn.Linear(4, 3).double()


def gradient(rows: list[int]) -> torch.Tensor:
    """Of the mean loss of rows with respect to the head, flat."""
    HEAD.zero_grad()
    nn.functional.cross_entropy(HEAD(FEATURES_ND[rows]), torch.from_numpy(TARGETS_N[rows])).backward()
    return torch.cat([parameter.grad.flatten() for parameter in HEAD.parameters() if parameter.grad is not None])


def of_rows() -> np.ndarray:
    return errors(HEAD(FEATURES_ND).detach(), TARGETS_N)


def test_inner_products_of_rows_are_those_of_their_gradients() -> None:
    gradients = torch.stack([gradient([row]) for row in range(7)])
    np.testing.assert_allclose(row_gram(of_rows(), FEATURES_ND.numpy()), (gradients @ gradients.T).numpy(), atol=1e-12)


def test_inner_products_of_batches_are_those_of_their_mean_gradients() -> None:
    gradients = torch.stack([gradient(rows) for rows in ([0, 1, 2], [3, 4, 5], [6])])
    gram_BB = batch_gram(of_rows(), FEATURES_ND.numpy(), np.array([0, 3, 6]))
    np.testing.assert_allclose(gram_BB, (gradients @ gradients.T).numpy(), atol=1e-12)
