"""BatchBALD. Kirsch et al. 2019, "BatchBALD: Efficient and Diverse Batch Acquisition for Deep Bayesian AL".

a(S) = H[y_S] - sum_{s in S} E_w H[y_s | w] (Eq. 8), maximised greedily (Alg. 1). The gain of row i given S is
H[y_i | y_S] - E_w H[y_i | w]: a mean, over the joint outcomes of S, of the entropy of p(y_i) under the posterior of w.

Dimension key: N candidates, Q of them evaluated together, K Monte-Carlo samples, C classes, M joint outcomes of the
batch.
"""

import math

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.bald import bald_cost, mutual_information
from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.denormal import without_tiny
from calrun.acquisition.kernel.factors import full_precision, spans
from calrun.acquisition.kernel.memory import GIB, limit_bytes
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.acquisition.kernel.top_k import finite, smallest
from calrun.acquisition.kernel.uncertainty import refuse_identical_samples
from calrun.look.sizes import FLOAT, Sizes
from calrun.rng import torch_rng
from calrun.text.legal import at_least
from calrun.text.say import warn

Tiles = list[tuple[Tensor, Tensor]]  # posteriors (K, T) and weights (T,) of the outcomes, tile by tile


BLOCK = 16  # candidates per matrix product
COARSE_BLOCK = 128  # candidates per matrix product with merged outcomes
TILE = 1024  # outcomes per matrix product, so that a tile stays in the cache
MAX_FLOP = 1e16  # days on a workstation if no bound ever decides
EXPECTED_MERGED = 0.35  # share of the candidates that a pick usually evaluates with merged outcomes
EXPECTED_EXACT = 0.15  # share that it evaluates with all outcomes


class BatchBald(Acquisition):
    """Takes, one after the other, the row that tells most about the network beyond what the batch tells so far.

    Two bounds save most evaluations and change no pick. First, the score is submodular, so a gain of an earlier step
    bounds the present one. This is exact while outcomes are enumerated; once they are sampled, noise may lift a gain
    above its bound, and twice the largest excess seen so far is kept as a margin. Second, entropy is concave, so
    outcomes merged into groups with their mean posterior give an upper bound at a few per cent of the cost.

    Args:
        num_mc_samples: K; the paper takes 100, DISTIL 40. The score cannot exceed log K: beyond log2 K rows, picks soon
            follow noise.
        num_samples: joint outcomes of the batch: all are enumerated, or this many sampled once C^n exceeds it; the
            paper's code takes 40,000, DISTIL 1,000.
        prefilter: looks only at this many rows with the highest BALD score (at least the budget); `None` looks at all.
        lazy: skips candidates whose bound cannot win.
        memory_gib: limit for temporary tensors in GiB; `None` takes a quarter of the free memory.
    """

    needs = frozenset({"mc_log_probs"})
    classifies_rows = True  # joint entropies of one class of each row
    approximation = "acquisition.prefilter of 10 x budget, or acquisition=bald"

    def __init__(
        self, num_mc_samples: int, num_samples: int, prefilter: int | None, lazy: bool, memory_gib: float | None
    ) -> None:
        at_least(2, "acquisition", num_mc_samples=num_mc_samples)
        at_least(1, "acquisition", prefilter=prefilter)
        if num_samples < num_mc_samples:
            raise ValueError(
                f"acquisition.num_samples is {num_samples}, wanted at least one for each of {num_mc_samples} samples"
            )
        self.num_mc_samples, self.num_samples = num_mc_samples, num_samples
        self.prefilter, self.lazy, self.memory_gib = prefilter, lazy, memory_gib

    @full_precision()  # the bounds on gains hold to the rounding of single precision
    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        log_probs_NKC = candidates.mc_log_probs_NKC
        refuse_identical_samples(log_probs_NKC)
        bald_N = finite(mutual_information(log_probs_NKC, self.memory_gib), candidates.rows, "BALD scores")
        budget = min(budget, len(candidates))
        if budget <= 0:
            return candidates.rows[:0].astype(np.int64)
        kept = np.arange(len(candidates))
        if self.prefilter is not None:
            kept = np.sort(smallest(torch.from_numpy(-bald_N), kept, max(budget, self.prefilter)))
        self._refuse_infeasible(log_probs_NKC, len(kept), budget)
        limit = limit_bytes(self.memory_gib, log_probs_NKC.device)
        outcomes = Outcomes(log_probs_NKC, self.num_samples, torch_rng(rng, log_probs_NKC.device), limit)
        picked, information = greedy(outcomes, kept, bald_N[kept].astype(np.float64), budget, self.lazy)
        warn_if_saturated(budget, information, log_probs_NKC.shape[1])
        return candidates.rows[picked].astype(np.int64)

    def cost(self, sizes: Sizes) -> Cost:
        """Returns N' M K C for each pick, N' being the candidates that the bounds leave, or all without `lazy`."""
        rows = min(sizes.candidates, max(sizes.bought, self.prefilter or sizes.candidates))
        exact, merged = (EXPECTED_EXACT * rows, EXPECTED_MERGED * rows) if self.lazy else (float(rows), 0.0)
        total, outcomes, limit = bald_cost(sizes, self.memory_gib), 1, limit_bytes(self.memory_gib, sizes.device)
        for _ in range(1, sizes.bought):
            outcomes = min(outcomes * sizes.classes, self.num_samples)
            groups = math.ceil(2 * math.sqrt(outcomes))
            pairs = sizes.classes * (exact * outcomes + merged * groups)
            table = float(outcomes * sizes.mc_samples)
            looks = [(BLOCK, min(outcomes, TILE)), *([(COARSE_BLOCK, groups)] if self.lazy else [])]
            held = max(min(few, rows) * row_bytes(sizes.mc_samples, sizes.classes, wide) for few, wide in looks)
            blocks = exact / BLOCK * math.ceil(outcomes / TILE) + merged / COARSE_BLOCK
            peak = 24 * table + min(held, limit)
            total += Cost(2.0 * pairs * sizes.mc_samples, 100 * table, peak, pairs + 3 * table, 8 * blocks)
        return total + Cost(refusal=self._refusal(sizes.mc_samples, sizes.classes, rows, sizes.bought))

    def _refuse_infeasible(self, log_probs_NKC: Tensor, num_kept: int, budget: int) -> None:
        _, num_mc, num_classes = log_probs_NKC.shape
        row = row_bytes(num_mc, num_classes, min(self.num_samples, TILE))
        needed, limit = max(24 * self.num_samples * num_mc, row), limit_bytes(self.memory_gib, log_probs_NKC.device)
        if needed > limit:
            raise ValueError(
                f"acquisition=batch_bald needs {needed / GIB:.3g} GiB for {self.num_samples} outcomes x {num_mc} "
                f"samples but the limit is {limit / GIB:.3g} GiB; lower acquisition.num_samples or raise "
                "acquisition.memory_gib"
            )
        if refusal := self._refusal(num_mc, num_classes, num_kept, budget):
            raise ValueError(refusal)

    def _refusal(self, num_mc: int, num_classes: int, num_kept: int, budget: int) -> str:
        """Returns why this much work is refused, or an empty text."""
        flop = 2.0 * num_kept * self.num_samples * num_mc * num_classes * budget
        if flop <= MAX_FLOP:
            return ""
        return (
            f"acquisition=batch_bald may need {flop:.1e} FLOP for {budget} of {num_kept} rows with {num_classes} "
            f"classes and {num_mc} samples, wanted at most {MAX_FLOP:.0e}; set acquisition.prefilter (10 x budget, "
            "say), lower acquisition.num_samples, or use acquisition=bald"
        )


class Outcomes:
    """The joint outcomes of the rows picked so far, all of them or a sample, each with its posterior over w."""

    def __init__(self, log_probs_NKC: Tensor, num_samples: int, generator: torch.Generator, max_bytes: int) -> None:
        self.log_probs_NKC, self.num_samples, self.generator = log_probs_NKC, num_samples, generator
        self.max_bytes = max_bytes
        self.dtype = torch.promote_types(log_probs_NKC.dtype, torch.float32)  # for sums; stores may be half precision
        self.num_mc, self.num_classes = log_probs_NKC.shape[1:]
        self.picked: list[int] = []
        self.sampled = False
        self.log_likelihood_MK = log_probs_NKC.new_zeros(1, self.num_mc, dtype=torch.float64)
        self._renew()

    def add(self, position: int) -> None:
        """Extends every outcome by the class of one more row."""
        self.picked.append(position)
        if self.sampled:
            self._extend(position)
        elif len(self.log_likelihood_MK) * self.num_classes <= self.num_samples:
            added_CK = self.log_probs_NKC[position].double().T
            self.log_likelihood_MK = (self.log_likelihood_MK[:, None] + added_CK).flatten(0, 1)
        else:
            self.sampled = True
            num_drawn = self.num_samples // self.num_mc * self.num_mc  # equally many from each of the K
            self.log_likelihood_MK = self.log_likelihood_MK.new_zeros(num_drawn, self.num_mc)
            for earlier in self.picked:
                self._extend(earlier)
        self._renew()

    def gains(self, positions: np.ndarray, tiles: Tiles) -> np.ndarray:
        """Returns H[y_i | y_S] - E_w H[y_i | w] of some rows (Q,), or upper bounds of it with the `merged` tiles."""
        widest = max(len(weight_T) for _, weight_T in tiles)
        room = max(1, self.max_bytes // row_bytes(self.num_mc, self.num_classes, widest, self.dtype.itemsize))
        return np.concatenate([self._gains(positions[span], tiles) for span in spans(0, len(positions), room)])

    def _gains(self, positions: np.ndarray, tiles: Tiles) -> np.ndarray:
        log_probs_QKC = self.log_probs_NKC[torch.from_numpy(positions)].to(self.dtype)
        probs_QKC = without_tiny(log_probs_QKC.exp())
        given_w_Q = -(probs_QKC * log_probs_QKC).sum(dim=(1, 2)).double() / self.num_mc
        class_given_w_PK = probs_QKC.transpose(1, 2).reshape(-1, self.num_mc)  # P = Q x C pairs
        surprise_P = torch.zeros(len(class_given_w_PK), dtype=torch.float64, device=probs_QKC.device)
        tiny = torch.finfo(probs_QKC.dtype).tiny
        for posterior_KT, weight_T in tiles:
            probs_PT = class_given_w_PK @ posterior_KT
            surprise_P -= (probs_PT.clamp_min(tiny).log_().mul_(probs_PT) @ weight_T).double()
        gain_Q = surprise_P.view(len(positions), -1).sum(dim=1) - given_w_Q
        gains: np.ndarray = gain_Q.cpu().numpy()
        return gains

    def _extend(self, position: int) -> None:
        log_probs_KC = self.log_probs_NKC[position].double()
        cumulative_KC = log_probs_KC.exp().cumsum(dim=1)
        uniform_M = torch.rand(
            len(self.log_likelihood_MK), generator=self.generator, dtype=torch.float64, device=cumulative_KC.device
        )
        drawn_KS = torch.searchsorted(cumulative_KC, uniform_M.view(self.num_mc, -1))
        class_M = drawn_KS.clamp_max_(self.num_classes - 1).flatten()
        self.log_likelihood_MK += log_probs_KC.T[class_M]

    def _renew(self) -> None:
        log_evidence_M = self.log_likelihood_MK.logsumexp(dim=1)
        weight_M = (log_evidence_M - math.log(self.num_mc)).exp()
        if self.sampled:
            weight_M = torch.full_like(weight_M, 1 / len(weight_M))
        posterior_MK = (self.log_likelihood_MK - log_evidence_M[:, None]).exp_().to(self.dtype)
        weight_M = weight_M.to(posterior_MK.dtype)
        self.tiles = in_tiles(posterior_MK, weight_M)
        self.merged = in_tiles(*merge_outcomes(posterior_MK, weight_M))


def row_bytes(num_mc: int, num_classes: int, num_outcomes: int, item: int = FLOAT) -> int:
    """Returns the bytes of a candidate while it is evaluated: its samples three times, its share of a tile twice."""
    return item * num_classes * (3 * num_mc + 2 * num_outcomes)


def in_tiles(posterior_MK: Tensor, weight_M: Tensor) -> Tiles:
    """Returns the outcomes in tiles, posteriors transposed for the matrix product."""
    posteriors = [without_tiny(part.T.contiguous()) for part in torch.split(posterior_MK, TILE)]
    return list(zip(posteriors, torch.split(without_tiny(weight_M), TILE), strict=True))


def merge_outcomes(posterior_MK: Tensor, weight_M: Tensor) -> tuple[Tensor, Tensor]:
    """Returns about 2 sqrt(M) groups of outcomes with similar posteriors: their mean posteriors and total weights."""
    num_outcomes, num_mc = posterior_MK.shape
    top = posterior_MK.topk(min(3, num_mc), dim=1)
    order_M = top.values[:, 0].argsort()
    for rank in reversed(range(top.indices.shape[1])):  # most probable w first, then the second...
        order_M = order_M[top.indices[order_M, rank].argsort(stable=True)]
    num_groups = min(num_outcomes, math.ceil(2 * math.sqrt(num_outcomes)))
    group_M = torch.empty_like(order_M)
    group_M[order_M] = torch.arange(num_outcomes, device=order_M.device) * num_groups // num_outcomes
    weight_G = weight_M.new_zeros(num_groups).index_add_(0, group_M, weight_M)
    sum_GK = posterior_MK.new_zeros(num_groups, num_mc).index_add_(0, group_M, posterior_MK * weight_M[:, None])
    return sum_GK / weight_G.clamp_min(torch.finfo(weight_G.dtype).tiny)[:, None], weight_G


def greedy(
    outcomes: Outcomes, kept: np.ndarray, bald_N: np.ndarray, budget: int, lazy: bool
) -> tuple[list[int], float]:
    """Returns the positions in the order of picking, and the information that they give together, in nats."""
    bounds = Bounds(bald_N, lazy, 16 * torch.finfo(outcomes.dtype).eps * (1 + math.log(outcomes.num_classes)))
    picked: list[int] = []
    information = 0.0
    for step in range(budget):
        best = int(bald_N.argmax()) if step == 0 else bounds.best(outcomes, kept)  # the first gains are the BALD scores
        information += float(bounds.bound_N[best])
        picked.append(int(kept[best]))
        bounds.bound_N[best] = -np.inf
        if step + 1 < budget:
            outcomes.add(picked[-1])
    return picked, information


class Bounds:
    """The last known gain of each candidate, an upper bound on its present gain up to `margin`."""

    def __init__(self, gain_N: np.ndarray, lazy: bool, margin: float) -> None:
        self.bound_N, self.lazy, self.margin = gain_N.copy(), lazy, margin

    def best(self, outcomes: Outcomes, kept: np.ndarray) -> int:
        """Returns the position in `kept` with the largest gain (ties: the first), and updates the bounds on the way."""
        order_N = np.argsort(-self.bound_N, kind="stable")
        order_N = order_N[self.bound_N[order_N] > -np.inf]
        best = (np.inf, -1)  # (-gain, position)
        for start in range(0, len(order_N), COARSE_BLOCK):
            block = order_N[start : start + COARSE_BLOCK]
            if self._hopeless(block[0], best):
                break
            best = min(best, self._best_of(block, best, outcomes, kept))
        return best[1]

    def _best_of(
        self, block: np.ndarray, best: tuple[float, int], outcomes: Outcomes, kept: np.ndarray
    ) -> tuple[float, int]:
        stale_of = dict(zip(block.tolist(), self.bound_N[block].tolist(), strict=True))
        if self.lazy:
            merged_Q = outcomes.gains(kept[block], outcomes.merged)
            self.bound_N[block] = np.minimum(self.bound_N[block], merged_Q)
            block = block[np.argsort(-self.bound_N[block], kind="stable")]
        for start in range(0, len(block), BLOCK):
            few = block[start : start + BLOCK]
            if self._hopeless(few[0], best):
                break
            gain_Q = outcomes.gains(kept[few], outcomes.tiles)
            self.margin = max(self.margin, 2 * float((gain_Q - [stale_of[i] for i in few.tolist()]).max()))
            self.bound_N[few] = gain_Q
            best = min(best, *zip((-gain_Q).tolist(), few.tolist(), strict=True))
        return best

    def _hopeless(self, position: int, best: tuple[float, int]) -> bool:
        return self.lazy and bool(self.bound_N[position] + self.margin < -best[0])


def warn_if_saturated(budget: int, information: float, num_mc: int) -> None:
    """Warns if a batch is too large for the number of posterior samples: a(S) <= log K."""
    if budget > num_mc / 2 or information > 0.99 * math.log(num_mc):
        warn(
            f"acquisition=batch_bald: {budget} rows tell {information:.3f} nats of at most log K = "
            f"{math.log(num_mc):.3f} with K = {num_mc} samples, so late picks follow noise; raise "
            "acquisition.num_mc_samples or buy fewer rows a round"
        )
