"""Gradients of the last layer in closed form, and their inner products. Killamsetty et al. 2021 (GRAD-MATCH), Sec. 4.

The gradient of row i's cross-entropy with respect to the bias and the weight of the head is e_i [1, h_i], with errors
e = p - y and features h. No array of N x C x D exists.

Dimension key: N rows, C classes, D features, B batches.
"""

import numpy as np
import torch
from torch import Tensor


def errors(logits_NC: Tensor, targets_N: np.ndarray) -> np.ndarray:
    """Returns p - y of each row in double precision (N, C)."""
    errors_NC = logits_NC.double().softmax(dim=1)
    errors_NC[torch.arange(len(errors_NC)), torch.from_numpy(targets_N)] -= 1
    return errors_NC.numpy()


def row_gram(errors_NC: np.ndarray, features_ND: np.ndarray) -> np.ndarray:
    """Returns the inner products of the gradients of rows: (e_i . e_j)(1 + h_i . h_j), (N, N)."""
    gram_NN: np.ndarray = (errors_NC @ errors_NC.T) * (1 + features_ND @ features_ND.T)
    return gram_NN


def batch_gram(errors_NC: np.ndarray, features_ND: np.ndarray, starts_B: np.ndarray) -> np.ndarray:
    """Returns the inner products of the mean gradients of batches of consecutive rows (B, B).

    Args:
        errors_NC: p - y.
        features_ND: h.
        starts_B: position of each batch's first row, increasing from 0.
    """
    sizes_B1 = np.diff(np.append(starts_B, len(errors_NC)))[:, None]
    gram_BB = np.zeros((len(starts_B), len(starts_B)))
    for c in range(errors_NC.shape[1]):  # one class at a time: B x C x D may not fit into memory
        error_N1 = errors_NC[:, c : c + 1]
        bias_B1 = np.add.reduceat(error_N1, starts_B) / sizes_B1
        weight_BD = np.add.reduceat(error_N1 * features_ND, starts_B) / sizes_B1
        gram_BB += bias_B1 @ bias_B1.T + weight_BD @ weight_BD.T
    return gram_BB
