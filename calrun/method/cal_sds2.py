"""CAL-SDS2, submodular data summary. Das et al. 2023 (CAL), Sec. 3.2.5, Eq. 3.

Greedy on G(S) = sum_{i in A} max_{j in S} w_ij + weight * log(1 + sum_{j in S} h_j), A candidates from the history.

Dimension key: A candidates, C classes, D features.
"""

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calrun.acquisition.kernel.factors import full_precision
from calrun.machine.compiled import compiled
from calrun.method.visit import Choose
from calrun.model.adapt.mode import in_mode
from calrun.part.batch import Batch
from calrun.round import Round
from calrun.text.legal import one_of
from calrun.text.say import warn

BLIND_KERNEL = 1e-6  # mean similarity below which only the uncertainty term decides


class Summary(Choose):
    """Replays candidates that represent the others and are uncertain.

    Differs from the paper: features have length 1, because the paper's sigma on raw 512-d features makes the kernel the
    identity and the choice a plain top-r of uncertainty.

    Args:
        sigma: width of the kernel exp(-d^2 / (2 sigma^2)); the paper searches {0.1, 1}.
        uncertainty_weight: lambda of Eq. 3; the paper searches {0.1, 1, 10}.
        features: `penultimate` (the paper) or `logits` (the authors' code).
        scale: `l2` normalises features, `mean` divides d^2 by its mean, `none` is the paper to the letter.
        uncertainty: `entropy` (the paper) or `least_confidence` (the authors' code).
    """

    def __init__(
        self,
        sigma: float,
        uncertainty_weight: float,
        features: str = "penultimate",
        scale: str = "l2",
        uncertainty: str = "entropy",
    ) -> None:
        one_of("method.visit.choose.features", features, ("penultimate", "logits"))
        one_of("method.visit.choose.scale", scale, ("l2", "mean", "none"))
        one_of("method.visit.choose.uncertainty", uncertainty, ("entropy", "least_confidence"))
        if not 0 < sigma < math.inf or not 0 <= uncertainty_weight < math.inf:
            raise ValueError(
                "method.visit.choose wants a finite sigma above 0 and a finite uncertainty_weight from 0 on, got "
                f"{sigma} and {uncertainty_weight}"
            )
        self.sigma, self.uncertainty_weight = sigma, float(uncertainty_weight)
        self.features, self.scale, self.uncertainty = features, scale, uncertainty
        greedy_summary(torch.eye(2), torch.ones(2), 1, self.uncertainty_weight)  # compiles before a fit is timed
        self.kept: dict[str, Tensor] = {}

    def begin_round(self, this_round: Round) -> None:
        self.kept = {}

    def fit_state(self) -> dict[str, Any]:
        return self.kept

    def load_fit_state(self, state: dict[str, Any]) -> None:
        self.kept = state

    def notes(self) -> dict[str, float]:
        """Returns the mean similarity of two candidates in the round's first choice; warns if it is next to zero."""
        if not self.kept:
            return {}
        mean = self.kept["mean_similarity"].item()
        if mean < BLIND_KERNEL:
            warn(
                f"method=cal_sds2: the mean similarity of two candidates is {mean:.1e}, so that the summary is a plain "
                "choice of the most uncertain; raise method.visit.choose.sigma or take scale=l2"
            )
        return {"mean_similarity": mean}

    def __call__(self, net: nn.Module, current: Batch, candidates: Batch, size: int, lr: Tensor | float) -> Tensor:
        with torch.no_grad(), in_mode(net, training=False):
            output = net(candidates.x)
            logits_AC = self.task.reduced(output.logits_BC)
            features_AD = (output.features_BD if self.features == "penultimate" else logits_AC).float()
        with torch.no_grad(), torch.autocast(features_AD.device.type, enabled=False), full_precision():
            kernel_AA = similarity(features_AD, self.sigma, self.scale)
            if not self.kept:
                self.kept["mean_similarity"] = (kernel_AA.mean() * len(kernel_AA) - 1) / (len(kernel_AA) - 1)
            uncertainty_A = uncertainty(logits_AC.float(), self.uncertainty)
            return greedy_summary(kernel_AA, uncertainty_A, size, self.uncertainty_weight)


def similarity(features_AD: Tensor, sigma: float, scale: str) -> Tensor:
    """Returns the kernel (A, A) of features, 1 on its diagonal."""
    scaled_AD = F.normalize(features_AD, dim=1) if scale == "l2" else features_AD - features_AD.mean(dim=0)
    squared_A1 = (scaled_AD * scaled_AD).sum(dim=1, keepdim=True)
    distance_AA = (squared_A1 + squared_A1.T - 2 * scaled_AD @ scaled_AD.T).clamp_min_(0).fill_diagonal_(0)
    if scale == "mean":
        distance_AA = distance_AA / distance_AA.mean()
    return torch.exp(distance_AA / (-2 * sigma**2))


def uncertainty(logits_AC: Tensor, kind: str) -> Tensor:
    """Returns h of each candidate (A,), natural logarithm."""
    log_probs_AC = logits_AC.log_softmax(dim=1)
    if kind == "entropy":
        return -(log_probs_AC.exp() * log_probs_AC).sum(dim=1)
    return 1 - log_probs_AC.amax(dim=1).exp()


def greedy_summary(kernel_AA: Tensor, uncertainty_A: Tensor, size: int, weight: float) -> Tensor:
    """Returns the positions of the greedy maximiser of G, in the order of choice; ties go to the lower position.

    The host chooses, also for a GPU: there each pick would be a dozen tiny kernels that wait for the pick before it.
    """
    picks = _lazy_greedy(kernel_AA.cpu().numpy(), uncertainty_A.double().cpu().numpy(), size, weight)
    return torch.from_numpy(picks).to(kernel_AA.device)


@compiled
def _argmax(bound: np.ndarray, extra: np.ndarray, taken: np.ndarray) -> int:
    best, value = -1, -np.inf
    for j in range(len(bound)):
        if not taken[j] and bound[j] + extra[j] > value:
            best, value = j, bound[j] + extra[j]
    return best


@compiled
def _gain(row: np.ndarray, covered: np.ndarray) -> float:
    gain = 0.0
    for i in range(len(row)):
        if row[i] > covered[i]:
            gain += row[i] - covered[i]
    return gain


@compiled
def _lazy_greedy(kernel: np.ndarray, uncertainty: np.ndarray, size: int, weight: float) -> np.ndarray:
    """Minoux's greedy: a stale gain is an upper bound, so most gains are never computed again."""
    num = kernel.shape[0]
    bound = kernel.astype(np.float64).sum(axis=1)  # on the coverage gained; the logarithm's part is exact at every step
    fresh, taken = np.zeros(num, np.int64), np.zeros(num, np.bool_)
    covered, picks, mass = np.zeros(num, kernel.dtype), np.empty(size, np.int64), 0.0
    for step in range(size):
        extra = np.log1p(uncertainty / (1.0 + mass)) * weight
        best = _argmax(bound, extra, taken)
        while fresh[best] != step:
            bound[best], fresh[best] = _gain(kernel[best], covered), step
            best = _argmax(bound, extra, taken)
        taken[best], picks[step] = True, best
        mass += uncertainty[best]
        for i in range(num):
            covered[i] = max(covered[i], kernel[best, i])
    return picks
