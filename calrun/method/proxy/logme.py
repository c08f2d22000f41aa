"""LogME: how well a linear model on features explains labels. You et al. 2021 and its extension (arXiv 2110.10545).

For each class, its one-hot column is regressed on the features, y = F w + noise, with w ~ N(0, 1/alpha) and noise
~ N(0, 1/beta); the score is the evidence ln p(y | F, alpha, beta) per row at the alpha and beta that maximise it,
averaged over the classes.

Dimension key: L labelled rows, D features, C classes, K singular values of the features.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from calrun.text.legal import at_least, one_of

SMALLEST_SINGULAR = 1e-10  # absolute, of the authors' code; smaller singular values count as 0
CHUNK_ROWS = 8192  # rows of features in double precision at a time


@dataclass(frozen=True)
class LogME:
    """Scores features of labelled rows, in double precision.

    Args:
        null_space: which evidence. `exact` is the evidence; `reference` is the authors' code, which counts D ln alpha
            where only K = rank of the features directions exist, so that for L < D it is off by (D - K) / (2 L) ln
            alpha and depends on the scale of the features.
        absent_classes: `skip` averages over the classes that occur, `count` over all of 0..max(labels), as the
            authors' code does; there an absent class explains itself perfectly and raises the score.
        max_iterations: of the fixed point; 11 in the authors' code.
        tolerance: relative change of alpha / beta that ends it; 1e-3 in the authors' code.
        epsilon: added to what alpha and beta are divided by, which keeps both finite where labels are noise or are
            fitted perfectly; 1e-5 in the authors' code. `exact` measures weights by the mean square of the features'
            singular values, so that their scale does not matter.
    """

    null_space: Literal["reference", "exact"] = "reference"
    absent_classes: Literal["skip", "count"] = "skip"
    max_iterations: int = 11
    tolerance: float = 1e-3
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        one_of("logme.null_space", self.null_space, ("reference", "exact"))
        one_of("logme.absent_classes", self.absent_classes, ("skip", "count"))
        at_least(1, "logme", max_iterations=self.max_iterations)
        at_least(0, "logme", tolerance=self.tolerance, epsilon=self.epsilon)

    def __call__(self, features_LD: Tensor, targets_L: np.ndarray) -> float:
        """Returns the score of these features for these labels.

        Raises:
            ValueError: if there is no row, a feature is not finite, or all are 0.
        """
        if not features_LD.isfinite().all() or not features_LD.any():
            raise ValueError(
                f"LogME wants finite features of 1 row or more, not all of them 0, but came {len(features_LD)} rows of "
                f"{features_LD.shape[1]} features that are not; look at the network that made them"
            )
        known_L = np.unique(targets_L, return_inverse=True)[1]
        targets = known_L if self.absent_classes == "skip" else targets_L
        counts_C = torch.from_numpy(np.bincount(targets)).double()
        features = projected(features_LD, torch.from_numpy(targets), len(counts_C), self.null_space)
        return float(self._evidence(features, counts_C, features_LD.shape).mean())

    def _evidence(self, features: "Projected", counts_C: Tensor, shape: torch.Size) -> Tensor:
        num_rows, width = shape
        if self.null_space == "exact":
            width = len(features.sigma_K)
            features = features._replace(sigma_K=features.sigma_K / features.sigma_K.mean())
        return evidence(self._maximised(features, counts_C, num_rows), features.sigma_K, num_rows, width)

    def _maximised(self, features: "Projected", counts_C: Tensor, num_rows: int) -> "Maximum":
        """Returns the alpha and beta of each class by the fixed point of the authors' code, from alpha = beta = 1."""
        sigma_K1, squares_KC = features.sigma_K[:, None], features.squares_KC
        beyond_C = counts_C - squares_KC.sum(dim=0)  # of y outside the span of the features
        found = Maximum(*torch.ones(4, len(counts_C), dtype=torch.float64))
        open_C = torch.ones(len(counts_C), dtype=torch.bool)
        for _ in range(self.max_iterations):
            t_C = found.alpha_C / found.beta_C
            gamma_C = (sigma_K1 / (sigma_K1 + t_C)).sum(dim=0)
            weights_C = (sigma_K1 * squares_KC / (t_C + sigma_K1).square()).sum(dim=0)
            errors_C = (squares_KC / (1 + sigma_K1 / t_C).square()).sum(dim=0) + beyond_C
            alpha_C = gamma_C / (weights_C + self.epsilon)
            beta_C = (num_rows - gamma_C) / (errors_C + self.epsilon)
            now = Maximum(alpha_C, beta_C, weights_C, errors_C)
            found = Maximum(*(torch.where(open_C, new, old) for new, old in zip(now, found, strict=True)))
            open_C &= ((alpha_C / beta_C - t_C).abs() / t_C) > self.tolerance
            if not open_C.any():
                break
        return found


class Projected(NamedTuple):
    """Features and one-hot labels in the directions of the features' singular vectors.

    Args:
        sigma_K: squared singular values (K,).
        squares_KC: x^2 with x = U^T y of each class (K, C).
    """

    sigma_K: Tensor
    squares_KC: Tensor


class Maximum(NamedTuple):
    """Where the fixed point ends for each class, with the two squares that the evidence is made of.

    Args:
        alpha_C: precision of the weights.
        beta_C: precision of the noise.
        weights_C: |m|^2, of the mean weights.
        errors_C: |y - F m|^2.
    """

    alpha_C: Tensor
    beta_C: Tensor
    weights_C: Tensor
    errors_C: Tensor


def projected(features_LD: Tensor, targets_L: Tensor, num_classes: int, null_space: str) -> Projected:
    """Returns one decomposition of the features, which all classes share.

    With more rows than features it is that of F^T F, so that nothing of L rows is held in double precision.
    """
    num_rows, width = features_LD.shape
    if num_rows <= width:
        left_LK, singular_K, _ = torch.linalg.svd(features_LD.double().cpu(), full_matrices=False)
        x_CK = torch.zeros(num_classes, len(singular_K), dtype=torch.float64).index_add_(0, targets_L, left_LK)
        kept = _kept(singular_K, null_space, width) if null_space == "exact" else slice(None)
        return Projected(singular_K[kept].square(), x_CK[:, kept].T.square())
    gram_DD, sums_CD = torch.zeros(width, width).double(), torch.zeros(num_classes, width).double()
    for rows_BD, of_B in zip(torch.split(features_LD, CHUNK_ROWS), torch.split(targets_L, CHUNK_ROWS), strict=True):
        chunk_BD = rows_BD.double().cpu()
        gram_DD += chunk_BD.T @ chunk_BD
        sums_CD.index_add_(0, of_B, chunk_BD)
    sigma_D, right_DD = torch.linalg.eigh(gram_DD)
    singular_D = sigma_D.clamp(min=0).sqrt()
    kept = _kept(singular_D, null_space, width)
    x_CK = sums_CD @ right_DD[:, kept] / singular_D[kept]
    return Projected(sigma_D[kept], x_CK.T.square())


def _kept(singular_K: Tensor, null_space: str, width: int) -> Tensor:
    """Returns which singular values count: the exact form leaves out those that are rounding errors."""
    if null_space == "reference":
        return singular_K > SMALLEST_SINGULAR
    floor = singular_K.max() * math.sqrt(width * torch.finfo(torch.float64).eps)
    return singular_K > floor


def evidence(found: Maximum, sigma_K: Tensor, num_rows: int, directions: int) -> Tensor:
    """Returns ln p(y | F, alpha, beta) / L of each class (C,), with `directions` times ln alpha."""
    alpha_C, beta_C, weights_C, errors_C = found
    determinant_C = (alpha_C + beta_C * sigma_K[:, None]).log().sum(dim=0)
    fit_C = beta_C * errors_C + alpha_C * weights_C
    gains_C = directions * alpha_C.log() + num_rows * beta_C.log()
    return (gains_C - determinant_C - fit_C - num_rows * math.log(2 * math.pi)) / (2 * num_rows)
