"""The head of GLISTER on its validation rows: it moves in exact linear updates, and its gradient is one matrix.

Killamsetty et al. 2021, Sec. 4: the Taylor gain of a row is the inner product of its last-layer gradient
(p - y) x [h; 1] with that of the validation loss.

Dimension key: N candidates, B candidates of a chunk, P validation rows of a part, Q picks, C classes, D features.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from calrun.acquisition.kernel.glister_regulariser import Gradients
from calrun.acquisition.kernel.memory import chunk_rows
from calrun.acquisition.kernel.residual import residual
from calrun.acquisition.kernel.top_k import finite
from calrun.look.sizes import FLOAT

Part = tuple[Tensor, Tensor, Tensor]  # features (P, D), logits (P, C), targets (P,)
CACHE_BYTES = 1 << 21  # bytes of a chunk's features, which the update leaves in the cache for the gradient
SMALL_HEAD = 64  # classes up to which the spectral norm of a (C, D + 1) matrix costs next to nothing


class HeadGradient(NamedTuple):
    """A gradient with respect to the head's weight and bias."""

    weight_CD: Tensor
    bias_C: Tensor

    def distance(self, other: "HeadGradient") -> float:
        """Returns the spectral norm of the difference, or for a large head its Frobenius norm, an upper bound."""
        difference = torch.cat(
            [self.weight_CD - other.weight_CD, (self.bias_C - other.bias_C)[:, None]], dim=1
        ).double()
        if len(difference) > SMALL_HEAD or not difference.isfinite().all():
            return float(difference.norm())
        return float(torch.linalg.eigvalsh(difference @ difference.T)[-1].clamp_min(0).sqrt())


class ValidationHead:
    """The logits of the validation rows while the head moves."""

    def __init__(self, parts: list[Part], dtype: torch.dtype, memory_gib: float | None) -> None:
        self.parts = [(features, logits.to(dtype, copy=True), targets) for features, logits, targets in parts]
        self.num_rows = sum(len(features) for features, _, _ in parts)
        features, logits, _ = self.parts[0]
        self.num_classes = logits.shape[1]
        item, width = logits.element_size(), features.shape[1]
        self.chunk = chunk_rows(row_bytes(width, self.num_classes, item), memory_gib, logits.device)
        if logits.is_cpu:
            self.chunk = max(1, min(self.chunk, CACHE_BYTES // (item * width)))

    def descend(self, gradient: HeadGradient, lr: float) -> None:
        """Moves the head by -lr times a gradient."""
        for features_PD, logits_PC, _ in in_chunks(self.parts, self.chunk):
            logits_PC.sub_(F.linear(features_PD.to(logits_PC.dtype), *gradient), alpha=lr)

    def advance(self, features_QD: Tensor, residual_QC: Tensor, lr: float) -> HeadGradient:
        """Moves the head by -lr times the gradients of picked rows; returns the mean validation loss's gradient."""
        weight_CD, bias_C = zero_gradient(self.parts)
        for features_PD, logits_PC, targets_P in in_chunks(self.parts, self.chunk):
            wide_PD = features_PD.to(logits_PC.dtype)
            if len(features_QD) == 1:
                logits_PC.addr_((wide_PD @ features_QD[0]).add_(1), residual_QC[0], alpha=-lr)
            elif len(features_QD):
                logits_PC.addmm_((wide_PD @ features_QD.T).add_(1), residual_QC, alpha=-lr)
            residual_PC = residual(logits_PC, targets_P)
            weight_CD += residual_PC.T @ wide_PD
            bias_C += residual_PC.sum(dim=0)
        return HeadGradient(weight_CD / self.num_rows, bias_C / self.num_rows)


def row_bytes(num_features: int, num_classes: int, item: int = FLOAT) -> int:
    """Returns the bytes that a validation row takes while the head moves."""
    return item * (2 * num_features + 6 * num_classes)


class Gains:
    """The first-order gains of all candidates.

    A gain is <g_i, M>, so a gradient M' near M changes it by at most |g_i| |M' - M|: only rows whose bound reaches the
    best one are computed again.
    """

    def __init__(self, gradients: Gradients, rows: np.ndarray, chunk: int) -> None:
        self.gradients, self.rows, self.chunk = gradients, rows, chunk
        self.length_N = gradients.norm_N.double().sqrt().cpu().numpy() * (1 + 1e-5)
        self.known: tuple[HeadGradient, np.ndarray] | None = None

    def all(self, gradient: HeadGradient) -> np.ndarray:
        """Returns every candidate's gain."""
        features_ND, residual_NC = self.gradients.features_ND, self.gradients.residual_NC
        chunks = zip(torch.split(features_ND, self.chunk), torch.split(residual_NC, self.chunk), strict=True)
        gain_N = finite(torch.cat([taylor_gains(*part, gradient) for part in chunks]), self.rows, "gains")
        self.known = gradient, gain_N
        return gain_N

    def best(self, gradient: HeadGradient, bonus_N: np.ndarray, taken_N: np.ndarray) -> int:
        """Returns the position with the largest gain + bonus that is not taken; ties go to the first."""
        contenders = self._contenders(gradient, bonus_N, taken_N)
        if contenders is None:
            return int(np.where(taken_N, -np.inf, self.all(gradient) + bonus_N).argmax())
        at = torch.from_numpy(contenders)
        gain = taylor_gains(self.gradients.features_ND[at], self.gradients.residual_NC[at], gradient)
        return int(contenders[(gain.cpu().numpy() + bonus_N[contenders]).argmax()])

    def _contenders(self, gradient: HeadGradient, bonus_N: np.ndarray, taken_N: np.ndarray) -> np.ndarray | None:
        """Returns the positions that may be best, or `None` if they are so many that all gains should be renewed."""
        if self.known is None:
            return None
        known, gain_N = self.known
        drift = gradient.distance(known)
        if not math.isfinite(drift):
            return None
        score_N = np.where(taken_N, -np.inf, gain_N + bonus_N)
        slack_N = drift * self.length_N + 1e-6 * abs(gain_N).max()
        contenders = np.flatnonzero(score_N + slack_N >= (score_N - slack_N).max())
        return contenders if len(contenders) <= len(gain_N) // 8 else None


def taylor_gains(features_BD: Tensor, residual_BC: Tensor, gradient: HeadGradient) -> Tensor:
    """Returns <gradient of a row, gradient of the validation loss>: how much a step on it lowers the loss, per lr."""
    towards_BC = F.linear(features_BD.to(residual_BC.dtype), *gradient)
    return (towards_BC * residual_BC).sum(dim=1)


def summed_gradient(part: Part, chunk: int) -> HeadGradient:
    """Returns the gradient of the summed cross-entropy of some rows, (p - y)^T [h; 1]."""
    weight_CD, bias_C = zero_gradient([part])
    for features_PD, logits_PC, targets_P in in_chunks([part], chunk):
        residual_PC = residual(logits_PC, targets_P)
        weight_CD += residual_PC.T @ features_PD.to(logits_PC.dtype)
        bias_C += residual_PC.sum(dim=0)
    return HeadGradient(weight_CD, bias_C)


def zero_gradient(parts: list[Part]) -> tuple[Tensor, Tensor]:
    features_PD, logits_PC, _ = parts[0]
    return logits_PC.new_zeros(logits_PC.shape[1], features_PD.shape[1]), logits_PC.new_zeros(logits_PC.shape[1])


def in_chunks(parts: list[Part], chunk: int) -> Iterator[Part]:
    """Yields the parts chunk by chunk; chunks are views."""
    for part in parts:
        yield from zip(*(torch.split(tensor, chunk) for tensor in part), strict=True)
