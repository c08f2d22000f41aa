"""BALD. Houlsby et al. 2011, "Bayesian Active Learning for Classification and Preference Learning", Eq. 2.

Dimension key: N candidates, B rows of one chunk, K Monte-Carlo samples, C classes.
"""

import math

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.memory import chunk_rows, shortage
from calrun.acquisition.kernel.of_pixels import OfPixels, sampled_column
from calrun.acquisition.kernel.top_k import largest
from calrun.acquisition.kernel.uncertainty import CACHE_BYTES, log_mean_probs, refuse_identical_samples
from calrun.look.sizes import FLOAT, Sizes
from calrun.text.legal import at_least


class Bald(Acquisition):
    """Takes the rows on whose class the dropout samples of the network disagree most.

    Args:
        num_mc_samples: K; DISTIL takes 10.
        memory_gib: limit for temporary tensors in GiB; `None` takes a quarter of the free memory.
    """

    needs = frozenset({"mc_log_probs"})

    def __init__(self, num_mc_samples: int, memory_gib: float | None) -> None:
        at_least(2, "acquisition", num_mc_samples=num_mc_samples)
        self.num_mc_samples, self.memory_gib = num_mc_samples, memory_gib

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        refuse_identical_samples(candidates.mc_log_probs_NKC)
        scores_N = mutual_information(candidates.mc_log_probs_NKC, self.memory_gib)
        return largest(scores_N, candidates.rows, budget)

    def for_pixels(self) -> Acquisition:
        return OfPixels(self.called, sampled_column(disagreement), self.num_mc_samples)

    def cost(self, sizes: Sizes) -> Cost:
        """Returns N K C: one pass over the samples, with a few exponentials for each number."""
        return bald_cost(sizes, self.memory_gib)


def bald_cost(sizes: Sizes, memory_gib: float | None) -> Cost:
    """Returns the cost of the mutual information of all candidates."""
    numbers = float(sizes.candidates * sizes.mc_samples * sizes.classes)
    chunks = math.ceil(3 * FLOAT * numbers / CACHE_BYTES)
    functions, scores = 5 * numbers + 2 * sizes.candidates * sizes.classes, 16.0 * sizes.candidates
    short = shortage(row_bytes(sizes.mc_samples * sizes.classes), memory_gib, sizes.device)
    return Cost(8 * numbers, 5 * FLOAT * numbers + 3 * scores, scores + CACHE_BYTES, functions, 15 * chunks, short)


def row_bytes(width: int, item: int = FLOAT) -> int:
    """Returns the bytes that the samples of a row take while it is scored."""
    return 3 * item * width


def mutual_information(mc_log_probs_NKC: Tensor, memory_gib: float | None) -> Tensor:
    """Returns H[mean_k p_k] - mean_k H[p_k] of each row in nats (N,), computed chunk by chunk."""
    single = torch.promote_types(mc_log_probs_NKC.dtype, torch.float32)
    scores_N = torch.empty(len(mc_log_probs_NKC), dtype=single, device=mc_log_probs_NKC.device)
    bytes_per_row = row_bytes(math.prod(mc_log_probs_NKC.shape[1:]), single.itemsize)
    chunk = chunk_rows(bytes_per_row, memory_gib, mc_log_probs_NKC.device)
    if mc_log_probs_NKC.is_cpu:
        chunk = max(1, min(chunk, CACHE_BYTES // bytes_per_row))
    for part, out in zip(torch.split(mc_log_probs_NKC, chunk), torch.split(scores_N, chunk), strict=True):
        out.copy_(disagreement(part.to(single)))
    return scores_N


def disagreement(mc_log_probs_BKC: Tensor) -> Tensor:
    """Returns the mutual information of class and network, mean_k KL(p_k | mean p), in nats (B,).

    Its terms mean p_c (s e^s - e^s + 1), s = log(p_kc / mean p_c), are all >= 0: rounding does not swallow small ones.
    """
    log_mean_B1C = log_mean_probs(mc_log_probs_BKC)[:, None]
    surprise_BKC = mc_log_probs_BKC - log_mean_B1C
    growth_BKC = surprise_BKC.expm1()
    terms_BKC = surprise_BKC.mul_(growth_BKC + 1).sub_(growth_BKC)
    return terms_BKC.mul_(log_mean_B1C.exp()).sum(dim=(1, 2)).div_(mc_log_probs_BKC.shape[1])
