"""Balancing sampler. Aggarwal et al. 2020, "Active Learning for Imbalanced Datasets", as Emam et al. 2021 ran it.

A baseline that asks for one label at a time inside the batch: it reads the true class of each row it has picked, so it
needs the oracle and is not a batch method.

Dimension key: N candidates, L labelled rows, C classes, D features.
"""

from collections.abc import Callable

import numpy as np
import torch

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel import kernel_cost
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.factors import MAX_BLOCK, Factor, full_precision, in_memory, spans
from calrun.acquisition.kernel.finite_features import refuse_broken_features
from calrun.acquisition.kernel.memory import chunk_rows, limit_bytes
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.acquisition.kernel.similarity import moments
from calrun.acquisition.kernel.top_k import finite
from calrun.look.sizes import FLOAT, Sizes
from calrun.text.legal import one_of

DENOMINATORS: dict[str, Callable[..., np.ndarray]] = {"max": np.max, "min": np.min, "mean": np.mean}


class Balancing(Acquisition):
    """Takes rows near the centre of the rarest class and far from frequent ones while classes are out of balance.

    A row is drawn at random instead whenever the rest of the budget could still even the classes out.

    Args:
        denominator: how the squared distances to the centres of frequent classes become the divisor of the one to the
            rarest: `max` as in the code of Emam et al., `min` as its variable is named, or `mean`.
        memory_gib: limit for temporary tensors in GiB; `None` takes a quarter of the free memory.
    """

    needs = frozenset({"features", "head_bias", "labelled_features", "labelled_targets", "oracle"})

    approximation = "acquisition=balanced_random, which reads the classes and no features"

    def __init__(self, denominator: str, memory_gib: float | None) -> None:
        one_of("acquisition.denominator", denominator, DENOMINATORS)
        self.denominator, self.memory_gib = denominator, memory_gib

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        budget = min(budget, len(candidates))
        if budget <= 0:
            return candidates.rows[:0].astype(np.int64)
        class_N = candidates.oracle_N.cpu().numpy()
        classes = Centres(candidates, self.memory_gib)
        left_N = np.ones(len(candidates), dtype=bool)
        picked: list[int] = []
        while len(picked) < budget:
            if can_still_even_out(classes.count_C, budget - len(picked)):
                position = int(rng.choice(np.flatnonzero(left_N)))
            else:
                score_N = self._scores(classes)
                position = int(np.where(left_N, score_N, np.inf).argmin())
            left_N[position] = False
            picked.append(position)
            classes.add(position, int(class_N[position]))
        return candidates.rows[picked].astype(np.int64)

    def cost(self, sizes: Sizes) -> Cost:
        """Returns b N (D + C), if classes are out of balance until the end."""
        rows, width = sizes.candidates, sizes.features
        centred = kernel_cost.ready(rows, width, limit_bytes(self.memory_gib, sizes.device))
        norms = Cost(4.0 * rows * width, 7 * FLOAT * rows * width, calls=50)
        norms += kernel_cost.chunks(row_bytes(width), self.memory_gib, sizes)
        pick = Cost(2.0 * rows * width, (1 if centred else 4) * FLOAT * rows * width, calls=20 + 4 * rows / MAX_BLOCK)
        pick += Cost(2.0 * rows * sizes.classes, 4 * FLOAT * rows * sizes.classes)
        block = 4 * FLOAT * min(rows, MAX_BLOCK) * width
        held = centred + block + FLOAT * rows * (2 * sizes.classes + 4)
        return (norms + pick.times(sizes.bought)).holding(held)

    def _scores(self, classes: "Centres") -> np.ndarray:
        """Returns the squared distance to the rarest class (1 if it is empty), divided by that to the frequent ones."""
        rarest = int(classes.count_C.argmin())
        far_NM = classes.squared_distances(np.flatnonzero(classes.count_C > classes.count_C.mean()))
        far_N = DENOMINATORS[self.denominator](far_NM, axis=1)
        near_N = classes.squared_distances(np.array([rarest]))[:, 0] if classes.count_C[rarest] else np.ones_like(far_N)
        score_N: np.ndarray = near_N / np.maximum(far_N, 1e-30)
        return score_N


def row_bytes(num_features: int, item: int = FLOAT) -> int:
    """Returns the bytes that a row takes while its distances are computed."""
    return 2 * item * num_features


def can_still_even_out(count_C: np.ndarray, budget: int) -> bool:
    """Tells whether `budget` labels more than fill the gap between rare and frequent classes."""
    frequent_C = count_C > count_C.mean()
    if not frequent_C.any():
        return True
    gap = count_C[frequent_C].mean() - count_C[~frequent_C].mean()
    return bool(budget > (~frequent_C).sum() * gap)


class Centres:
    """The mean features of the labelled rows of each class, and the candidates' squared distances to them.

    Features are measured from an origin amid the candidates, which leaves distances as they are but rounds them less.
    The distances to a class are computed again only after the class has changed.
    """

    def __init__(self, candidates: Candidates, memory_gib: float | None) -> None:
        features_ND, plain = candidates.features_ND, Factor(candidates.features_ND)
        bytes_per_row = row_bytes(features_ND.shape[1], plain.dtype.itemsize)
        chunk = chunk_rows(bytes_per_row, memory_gib, features_ND.device)
        self.blocks = list(spans(0, len(plain), min(chunk, MAX_BLOCK)))
        self.origin_D, _ = moments(plain)
        if not self.origin_D.isfinite().all():  # then no row minus the mean is finite: name the rows to blame
            refuse_broken_features(features_ND, candidates.rows)
        self.points = in_memory(Factor(features_ND, lambda x_BD: x_BD - self.origin_D), memory_gib)
        squares = [self.points[block].square().sum(dim=1) for block in self.blocks]
        self.norm_N = finite(torch.cat(squares), candidates.rows, "features")
        num_classes = len(finite(candidates.head_bias_C, np.arange(len(candidates.head_bias_C)), "head_bias"))
        class_L = candidates.labelled_targets_L.long()
        self.count_C = torch.bincount(class_L, minlength=num_classes).cpu().numpy()
        centred_LD = (candidates.labelled_features_LD - self.origin_D).double()
        finite(centred_LD.sum(dim=1), np.arange(len(centred_LD)), "labelled features")
        self.sum_CD = centred_LD.new_zeros(num_classes, centred_LD.shape[1]).index_add_(0, class_L, centred_LD)
        self.columns: dict[int, np.ndarray] = {}

    def add(self, position: int, c: int) -> None:
        """Adds a newly labelled row to the centre of its class."""
        self.count_C[c] += 1
        self.sum_CD[c] += self.points[slice(position, position + 1)][0].double()
        self.columns.pop(c, None)

    def squared_distances(self, classes: np.ndarray) -> np.ndarray:
        """Returns the candidates' squared distances to the centres of non-empty classes (N, len(classes))."""
        new = [c for c in classes.tolist() if c not in self.columns]
        if new:
            count_M1 = torch.from_numpy(self.count_C[new]).to(self.sum_CD.device)[:, None]
            centre_MD = (self.sum_CD[new] / count_M1).to(self.origin_D.dtype)
            with full_precision():
                inner_NM = torch.cat([self.points[block] @ centre_MD.T for block in self.blocks]).cpu().numpy()
            norm_M = centre_MD.square().sum(dim=1).cpu().numpy()
            for column, c in enumerate(new):
                self.columns[c] = np.maximum(self.norm_N - 2 * inner_NM[:, column] + norm_M[column], 0)
        return np.stack([self.columns[c] for c in classes.tolist()], axis=1)
