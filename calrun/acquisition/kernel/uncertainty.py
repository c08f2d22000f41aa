"""What the uncertainty scores share: one pass over the logits in cache-sized chunks, and MC dropout.

Gal and Ghahramani 2016, "Dropout as a Bayesian Approximation": with `mc_dropout` a score is that of the mean
probability of K dropout passes, taken in the log domain.

Dimension key: N candidates, B rows of one chunk, C classes, K Monte-Carlo samples, P pixels.
"""

import math
from abc import abstractmethod
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.finite_features import mark_minus_infinity_
from calrun.acquisition.kernel.memory import chunk_rows, shortage
from calrun.acquisition.kernel.of_pixels import OfPixels, sampled_column, score_column
from calrun.acquisition.kernel.top_k import smallest
from calrun.look.dropout import DIFFERENT
from calrun.look.sizes import FLOAT, Sizes
from calrun.text.legal import at_least

CACHE_BYTES = 1 << 22  # bytes of a chunk's temporary tensors on the host, so that they stay in the last-level cache


class Uncertainty(Acquisition):
    """Takes the rows with the smallest certainty.

    Args:
        mc_dropout: scores the mean probability of dropout passes instead of one deterministic pass.
        num_mc_samples: K; DISTIL takes 10.
        memory_gib: limit for temporary tensors in GiB; `None` takes a quarter of the free memory.
    """

    def __init__(self, mc_dropout: bool, num_mc_samples: int, memory_gib: float | None) -> None:
        if mc_dropout:
            at_least(2, "acquisition", num_mc_samples=num_mc_samples)
        self.mc_dropout = mc_dropout
        self.needs = frozenset({"mc_log_probs" if mc_dropout else "logits"})
        self.num_mc_samples = num_mc_samples if mc_dropout else 0
        self.memory_gib = memory_gib

    @abstractmethod
    def certainty(self, logits_BC: Tensor) -> Tensor:
        """Returns a number per row that is smallest where the network is least certain."""

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        if self.mc_dropout:
            refuse_identical_samples(candidates.mc_log_probs_NKC)
        column = candidates.mc_log_probs_NKC if self.mc_dropout else candidates.logits_NC
        single = torch.promote_types(column.dtype, torch.float32)  # half-precision stores are read chunk by chunk
        certainty_N = torch.empty(len(candidates), dtype=single, device=column.device)
        bytes_per_row = row_bytes(math.prod(column.shape[1:]), single.itemsize)
        chunk = chunk_rows(bytes_per_row, self.memory_gib, column.device)
        if column.is_cpu:
            chunk = max(1, min(chunk, CACHE_BYTES // bytes_per_row))
        for part, out in zip(torch.split(column, chunk), torch.split(certainty_N, chunk), strict=True):
            out.copy_(self.certainty(log_mean_probs(part.to(single)) if self.mc_dropout else part.to(single)))
            mark_minus_infinity_(out, part)
        return smallest(certainty_N, candidates.rows, budget)

    def pixel_score(self, logits_PC: Tensor) -> Tensor:
        """Returns a score of each pixel (P,) of which the mean has a meaning; `certainty` is minus its logarithm."""
        return (-self.certainty(logits_PC)).exp()

    def for_pixels(self) -> Acquisition:
        if not self.mc_dropout:
            return OfPixels(self.called, score_column(self.pixel_score))
        column = sampled_column(lambda log_probs_PKC: self.pixel_score(log_mean_probs(log_probs_PKC)))
        return OfPixels(self.called, column, self.num_mc_samples)

    def cost(self, sizes: Sizes) -> Cost:
        """Returns N C, or N K C with dropout: one pass, an exponential and two logarithms for each number."""
        width = sizes.classes * (1 + sizes.mc_samples * self.mc_dropout)
        numbers, rows = float(sizes.candidates * width), sizes.candidates
        chunks = math.ceil(4 * FLOAT * numbers / CACHE_BYTES)
        traffic, peak = 3 * FLOAT * numbers + 48 * rows, CACHE_BYTES + 16.0 * rows
        short = shortage(row_bytes(width), self.memory_gib, sizes.device)
        return Cost(8 * numbers, traffic, peak, 3 * numbers + 16 * rows, 20 * chunks, short)


def row_bytes(width: int, item: int = FLOAT) -> int:
    """Returns the bytes that a row of logits takes while it is scored."""
    return 4 * item * width


class RunnerUp(NamedTuple):
    """The largest logit against the others, free of cancellation."""

    top_B: Tensor
    gap_B: Tensor  # second minus top, <= 0
    others_B: Tensor  # the sum of exp(z - z_second) without the top, >= 1


def runner_up(logits_BC: Tensor) -> tuple[RunnerUp, Tensor]:
    """Returns the top against the others, and exp(z - z_second) per class with 0 for the top."""
    top_B, top_class_B = logits_BC.max(dim=1)
    others_BC = logits_BC.scatter(1, top_class_B[:, None], -torch.inf)
    second_B1 = others_BC.amax(dim=1, keepdim=True)
    others_BC = others_BC.sub_(second_B1).exp_()
    return RunnerUp(top_B, second_B1.squeeze(1) - top_B, others_BC.sum(dim=1)), others_BC


def log_mean_probs(mc_log_probs_BKC: Tensor) -> Tensor:
    """Returns log((1/K) sum_k p_k), the log of the predictive mean."""
    return mc_log_probs_BKC.logsumexp(dim=1) - math.log(mc_log_probs_BKC.shape[1])


def refuse_identical_samples(mc_log_probs_NKC: Tensor) -> None:
    """Raises a ValueError if all Monte-Carlo samples agree: without dropout, rounding would decide."""
    num_samples = mc_log_probs_NKC.shape[1]
    agree = all(torch.equal(part, part[:, :1].expand_as(part)) for part in torch.split(mc_log_probs_NKC, 4096))
    if len(mc_log_probs_NKC) and agree:
        raise ValueError(
            f"mc_log_probs holds {num_samples} samples that agree exactly in all {len(mc_log_probs_NKC)} rows, "
            f"{DIFFERENT}"
        )
