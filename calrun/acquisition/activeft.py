"""ActiveFT. Xie et al. 2023, "Active Finetuning: Exploiting Annotation Budget in the Pretraining-Finetuning Paradigm".

As many centres as labels are bought move over the unit sphere until the pool is near them and they are far from each
other; each takes the candidate nearest to it. Wen et al. 2024 (ASVP), Sec. 6.1, play it round after round with the
labelled rows as centres that do not move.

Dimension key: N candidates, L labelled rows, B chosen rows, M centres (the B that move, then the L), D features.
"""

import math
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel import kernel_cost
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.factors import Factor, Points, feature_chunk, full_precision, spans
from calrun.acquisition.kernel.finite_features import refuse_broken_features
from calrun.acquisition.kernel.memory import chunk_rows, limit_bytes
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.look.sizes import FLOAT, Sizes
from calrun.text.legal import at_least, one_of

TILE = 1 << 20  # row-centre pairs at once
LEAST_LENGTH = 1e-12  # of a centre, as in torch.nn.functional.normalize


class ActiveFT(Acquisition):
    """Takes the candidates nearest to centres that represent the pool and keep away from each other.

    Differs from the authors' code: labelled rows take no part in the matching, where duplicates of them could be
    bought again; gradients are written out, so that no graph of all chunks is kept.

    Args:
        variant: `al` keeps a centre at each labelled row; `pre` knows of none: it is a single choice on pre-trained
            features, so a run for each budget, of one round, with initial=activeft.
        temperature: tau; 0.07 in both papers.
        balance: weight of the repulsion; 1 in both papers.
        lr: of Adam; 0.001 in both papers.
        max_iter: steps; 300 in Xie et al., 100 in the code of Wen et al.
        batch_size: rows of a step, drawn anew for each; 20,000 to 25,000 in Wen et al.; `None` takes all.
        memory_gib: limit for temporary tensors in GiB; `None` takes a quarter of the free memory.
    """

    approximation = "a smaller acquisition.batch_size or max_iter"

    def __init__(  # noqa: PLR0913 - the constants of both papers, all named
        self,
        variant: Literal["pre", "al"],
        temperature: float,
        balance: float,
        lr: float,
        max_iter: int,
        batch_size: int | None,
        memory_gib: float | None,
    ) -> None:
        one_of("acquisition.variant", variant, ("pre", "al"))
        at_least(1, "acquisition", batch_size=batch_size)
        at_least(0, "acquisition", max_iter=max_iter)
        for name, value in (("temperature", temperature), ("balance", balance), ("lr", lr)):
            if not 0 < value < math.inf:
                raise ValueError(f"acquisition.{name} wants a finite number above 0, got {value}")
        self.needs = frozenset({"features"} | ({"labelled_features"} if variant == "al" else set()))
        self.temperature, self.balance, self.lr = temperature, balance, lr
        self.max_iter, self.batch_size, self.memory_gib = max_iter, batch_size, memory_gib

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        features_ND, fixed_LD = candidates.features_ND, self._fixed(candidates)
        refuse_broken_features(features_ND, candidates.rows)
        refuse_broken_features(fixed_LD, np.arange(len(fixed_LD)), "labelled features, counted from 0,")
        budget = min(budget, len(candidates))
        if budget <= 0:
            return np.empty(0, dtype=np.int64)
        store_ND = torch.cat([features_ND, fixed_LD.to(features_ND)]) if len(fixed_LD) else features_ND
        chunk = feature_chunk(store_ND.shape[1], self.memory_gib, store_ND.device)
        points = Points([Factor(store_ND, F.normalize)], chunk).in_memory(self.memory_gib)
        start_B = torch.from_numpy(rng.choice(len(candidates), budget, replace=False)).to(store_ND.device)
        with full_precision():
            centres_BD = self.settled(points, points.factors[0][start_B], len(candidates), rng)
            chosen_B = nearest_free(points, centres_BD, len(candidates), self.memory_gib)
        rows: np.ndarray = candidates.rows[chosen_B.cpu().numpy()]
        return rows

    def settled(self, points: Points, start_BD: Tensor, num_candidates: int, rng: np.random.Generator) -> Tensor:
        """Returns the centres after `max_iter` steps, of unit length (B, D).

        Args:
            points: the candidates, then the labelled rows, of unit length.
            start_BD: where the centres begin.
            num_candidates: N.
            rng: draws the rows of each step.
        """
        fixed_LD, centres_BD = points.factors[0][slice(num_candidates, None)], start_BD.clone()
        optimizer = torch.optim.Adam([centres_BD], lr=self.lr)
        with torch.no_grad():
            for _ in range(self.max_iter):
                centres_BD.grad = self.gradient(points, self._rows_of_step(len(points), rng), centres_BD, fixed_LD)
                optimizer.step()
        return F.normalize(centres_BD)

    def gradient(self, points: Points, rows: np.ndarray | None, centres_BD: Tensor, fixed_LD: Tensor) -> Tensor:
        """Returns the gradient of Eq. 6 of Xie et al. with respect to the centres, of any length (B, D).

        With s = f.theta_c / tau of a row and its nearest centre, and E_c = sum_j exp(theta_j.theta_c / tau) through
        whose theta_j no gradient flows, the loss of a row is -s + ln(e^s + balance E_c): with w = sigmoid(ln balance +
        ln E_c - s) its derivatives are -w for s and w / E_c for E_c.

        Args:
            points: the pool, of unit length.
            rows: positions in it; `None` takes all.
            centres_BD: those that move.
            fixed_LD: those that do not, of unit length.
        """
        unit_BD = F.normalize(centres_BD)
        all_MD = torch.cat([unit_BD, fixed_LD])
        repelled = self._repulsion(unit_BD, all_MD)
        num_rows, width = len(points) if rows is None else len(rows), centres_BD.shape[1]
        weights_B = torch.zeros(len(unit_BD) + 1, dtype=torch.float64, device=points.device)  # the last: fixed ones
        sums_BD = torch.zeros(len(unit_BD) + 1, width, dtype=torch.float64, device=points.device)
        index_N = None if rows is None else torch.from_numpy(rows).to(points.device)
        for span in spans(0, num_rows, max(1, min(points.chunk, TILE // len(all_MD)))):
            rows_CD = points.factors[0][span if index_N is None else index_N[span]]
            cosine_C, nearest_C = (rows_CD @ all_MD.T).max(dim=1)
            own_C = nearest_C.clamp(max=len(unit_BD))
            weight_C = (repelled.log_sums_B[own_C] - cosine_C / self.temperature).sigmoid()
            weights_B.index_add_(0, own_C, weight_C.double())
            sums_BD.index_add_(0, own_C, (weight_C[:, None] * rows_CD).double())
        of_unit_BD = (weights_B[:-1, None] * repelled.mean_BD - sums_BD[:-1]) / (num_rows * self.temperature)
        along_B1 = (of_unit_BD * unit_BD).sum(dim=1, keepdim=True)
        length_B1 = torch.linalg.vector_norm(centres_BD, dim=1, keepdim=True).clamp(min=LEAST_LENGTH)
        of_centres_BD: Tensor = (of_unit_BD - along_B1 * unit_BD) / length_B1
        return of_centres_BD.to(centres_BD.dtype)

    def _repulsion(self, unit_BD: Tensor, all_MD: Tensor) -> "Repulsion":
        """Returns how the centres repel each other, some of them at a time."""
        log_sums, means = [torch.full((1,), -torch.inf, device=unit_BD.device)], list[Tensor]()
        for span in spans(0, len(unit_BD), max(1, TILE // len(all_MD))):
            scaled_CM = unit_BD[span] @ all_MD.T / self.temperature
            log_sums.insert(-1, scaled_CM.logsumexp(dim=1) + math.log(self.balance))
            means.append((scaled_CM.softmax(dim=1) @ all_MD).double())
        return Repulsion(torch.cat(log_sums), torch.cat(means))

    def _rows_of_step(self, num_points: int, rng: np.random.Generator) -> np.ndarray | None:
        if self.batch_size is None or self.batch_size >= num_points:
            return None
        return np.sort(rng.choice(num_points, self.batch_size, replace=False))

    def _fixed(self, candidates: Candidates) -> Tensor:
        known = "labelled_features" in self.needs
        return candidates.labelled_features_LD if known else candidates.features_ND[:0]

    def cost(self, sizes: Sizes) -> Cost:
        """Returns the products of rows and centres, and of centres with each other, in each step, and the matching."""
        fixed = sizes.labelled if "labelled_features" in self.needs else 0
        pool, width, bought = sizes.candidates + fixed, sizes.features, sizes.bought
        centres, seen = bought + fixed, min(pool, self.batch_size or pool)
        pairs = float(seen * centres + 2 * bought * centres)
        moved = FLOAT * (3.0 * seen * width + 3 * pairs) + 16.0 * seen * width
        step = Cost(2.0 * pairs * width, moved, 8.0 * TILE, functions=seen + bought * centres, calls=60)
        match = Cost(2.0 * bought * sizes.candidates * width, 16.0 * bought * sizes.candidates, calls=4 * bought)
        unit = kernel_cost.ready(pool, width, limit_bytes(self.memory_gib, sizes.device))
        held = FLOAT * (pool * width * bool(fixed) + 12.0 * centres * width) + unit
        chunks = kernel_cost.feature_chunks(width, self.memory_gib, sizes)
        return (kernel_cost.points(pool, width) + step.times(self.max_iter) + match + chunks).holding(held)


class Repulsion(NamedTuple):
    """What a step needs to know of the centres alone.

    Args:
        log_sums_B: ln balance + ln E_c of each centre that moves, and minus infinity for all others (B + 1,).
        mean_BD: the mean of all centres, weighted by how strongly each repels the one that moves (B, D).
    """

    log_sums_B: Tensor
    mean_BD: Tensor


def nearest_free(points: Points, centres_BD: Tensor, num_candidates: int, memory_gib: float | None) -> Tensor:
    """Returns for each centre, one after the other, the nearest candidate that none before it has taken (B,)."""
    taken_N = torch.zeros(num_candidates, dtype=torch.bool, device=points.device)
    chosen_B = torch.empty(len(centres_BD), dtype=torch.int64, device=points.device)
    step = chunk_rows(2 * FLOAT * num_candidates, memory_gib, points.device)
    for span in spans(0, len(centres_BD), min(step, len(centres_BD))):
        part_CD = centres_BD[span]
        cosine_CN = torch.empty(len(part_CD), num_candidates, dtype=part_CD.dtype, device=points.device)
        for rows in spans(0, num_candidates, points.chunk):
            cosine_CN[:, rows] = part_CD @ points.factors[0][rows].T
        for number, cosine_N in enumerate(cosine_CN, start=span.start):
            chosen_B[number] = cosine_N.masked_fill_(taken_N, -torch.inf).argmax()
            taken_N[chosen_B[number]] = True
    return chosen_B
