"""GLISTER-ACTIVE. Killamsetty et al. 2021, "GLISTER: Generalization based Data Subset Selection", Sec. 3 and 4.

Rows are chosen to raise the validation likelihood of the head after one gradient step on what is labelled and chosen.
With last-layer gradients (p - y) x [h; 1] the first-order gain of a row is (p - y) M [h; 1], M the validation gradient
(C, D + 1), and a pick moves the validation logits by a matrix of rank one: nothing of size N x C x D exists.

Dimension key: N candidates, B candidates of a chunk, L labelled rows, V validation rows, P rows of a part, Q picks,
C classes, D features.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel import kernel_cost
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.factors import full_precision
from calrun.acquisition.kernel.finite_features import refuse_broken_features
from calrun.acquisition.kernel.glister_head import (
    CACHE_BYTES,
    Gains,
    Part,
    ValidationHead,
    row_bytes,
    summed_gradient,
)
from calrun.acquisition.kernel.glister_regulariser import (
    REGULARISERS,
    Gradients,
    Regulariser,
    pair_bytes,
    regulariser_cost,
)
from calrun.acquisition.kernel.residual import residual
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.look.sizes import FLOAT, Sizes
from calrun.text.legal import at_least, one_of, share

MAX_FLOP = 1e16  # days on a workstation
EXPECTED_RENEWALS = 0.3  # share of the refreshes that look at all candidates because bounds do not decide
SKINNY = 3  # factor by which products with few columns read their long side more slowly than a copy
VALIDATION = {"pool": (), "labelled": (), "val": ("val_logits", "val_features", "val_targets")}
ALWAYS = ("logits", "features", "labelled_logits", "labelled_features", "labelled_targets")


class Glister(Acquisition):
    """Takes, one after the other, the row whose gradient step lowers the validation loss most.

    Args:
        lr: learning rate of the step; DISTIL takes the training's.
        validation: rows of the validation loss: `pool` takes the candidates with their predicted classes and the
            labelled rows, as DISTIL does without a validation set; `labelled` the labelled rows; `val` the data set's
            own validation split.
        inner_grad: the step on the labelled rows follows the `sum` of their gradients, as in DISTIL, or the `mean`.
        refresh_every: picks between two gradients of the validation loss; 1 is exact, CORDS takes ceil(budget / 15).
        regulariser: `name` and `weight` (lambda). `none`; `random` draws the share `weight` of the batch;
            `facility_location` adds how much a row reduces the squared distances of all gradients to the batch;
            `diversity` subtracts sum_s exp(-d^2 / 2) over the batch. DISTIL's Rand, FacLoc and Diversity.
        memory_gib: limit for temporary tensors in GiB; `None` takes a quarter of the free memory.
    """

    approximation = "acquisition.refresh_every of budget / 15, or acquisition.validation=val"

    def __init__(
        self,
        lr: float,
        validation: str,
        inner_grad: str,
        refresh_every: int,
        regulariser: Mapping[str, Any],
        memory_gib: float | None,
    ) -> None:
        self.regulariser, self.weight = str(regulariser["name"]), float(regulariser["weight"])
        one_of("acquisition.validation", validation, VALIDATION)
        one_of("acquisition.inner_grad", inner_grad, ("sum", "mean"))
        one_of("acquisition.regulariser.name", self.regulariser, REGULARISERS)
        at_least(1, "acquisition", refresh_every=refresh_every)
        if self.regulariser == "random":
            share("acquisition.regulariser.weight", self.weight)
        self.lr, self.validation, self.inner_grad = lr, validation, inner_grad
        self.refresh_every, self.memory_gib = refresh_every, memory_gib
        self.needs = frozenset({*ALWAYS, *VALIDATION[validation]})

    @full_precision()  # the bounds on gains hold to the rounding of single precision
    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        budget = min(budget, len(candidates))
        num_greedy = self._num_greedy(budget)
        features_ND = candidates.features_ND
        refuse_broken_features(features_ND, candidates.rows)
        refuse_broken_features(candidates.logits_NC, candidates.rows, "logits")
        residual_NC = residual(candidates.logits_NC)
        gradients = Gradients(residual_NC, features_ND, self.memory_gib)
        head = self._validation_head(candidates)
        refreshes = math.ceil(num_greedy / self.refresh_every)
        if refusal := infeasible(refreshes, head.num_rows, len(candidates), head.num_classes, features_ND.shape[1]):
            raise ValueError(refusal)
        gains = Gains(gradients, candidates.rows, head.chunk)
        picked = self._greedy(head, gains, REGULARISERS[self.regulariser](gradients), num_greedy)
        left = np.setdiff1d(np.arange(len(candidates)), picked)
        picked += rng.choice(left, budget - num_greedy, replace=False).tolist()
        return candidates.rows[picked].astype(np.int64)

    def cost(self, sizes: Sizes) -> Cost:
        """Returns (b / refresh_every) (V + a share of N) C D for the gradients, and b V D for the moves of the head."""
        rows, classes, width = sizes.candidates, sizes.classes, sizes.features
        num_validation = {"pool": rows + sizes.labelled, "labelled": sizes.labelled, "val": sizes.validation}
        validation, num_greedy = num_validation[self.validation], self._num_greedy(sizes.bought)
        refreshes = math.ceil(num_greedy / self.refresh_every)
        seen = rows + validation
        looked_at = EXPECTED_RENEWALS * rows + validation
        refresh = Cost(
            looked_at * classes * (2.0 * width + 6),
            FLOAT * looked_at * (SKINNY * width + 8 * classes),
            functions=validation * classes,
            calls=40 + 10 * validation * width * FLOAT / CACHE_BYTES,
        )
        move = Cost(2.0 * validation * (width + classes), FLOAT * validation * (SKINNY * width + 3 * classes), calls=20)
        before = Cost(
            2.0 * (sizes.labelled + validation) * classes * width,
            2 * FLOAT * seen * (width + 4 * classes),
            functions=seen * classes,
        )
        work = before + refresh.times(refreshes) + move.times(num_greedy)
        held = FLOAT * (2 * rows + validation) * classes + 32.0 * rows
        extra = regulariser_cost(self.regulariser, sizes, num_greedy)
        refusal = infeasible(refreshes, validation, sizes.candidates, classes, width)
        extra += kernel_cost.chunks(row_bytes(width, classes), self.memory_gib, sizes)
        if self.regulariser == "facility_location":
            extra += kernel_cost.chunks(pair_bytes(rows), self.memory_gib, sizes)
        return (work + extra + Cost(refusal=refusal)).holding(held)

    def _num_greedy(self, budget: int) -> int:
        return math.ceil((1 - self.weight) * budget - 1e-9) if self.regulariser == "random" else budget

    def _validation_head(self, candidates: Candidates) -> ValidationHead:
        """Returns the head on the validation rows after the step on the labelled rows."""
        single = torch.promote_types(candidates.logits_NC.dtype, torch.float32)
        labelled_targets_L = candidates.labelled_targets_L.to(candidates.logits_NC.device)
        labelled: Part = (candidates.labelled_features_LD, candidates.labelled_logits_LC.to(single), labelled_targets_L)
        parts: list[Part] = [labelled]
        if self.validation == "pool":
            parts.append((candidates.features_ND, candidates.logits_NC, candidates.logits_NC.argmax(dim=1)))
        elif self.validation == "val":
            val_targets_V = candidates.val_targets_V.to(candidates.logits_NC.device)
            parts = [(candidates.val_features_VD, candidates.val_logits_VC, val_targets_V)]
        for features_PD, logits_PC, _ in (labelled, *parts):
            for what, column in (("features", features_PD), ("logits", logits_PC)):
                refuse_broken_features(column, np.arange(len(column)), f"labelled or validation {what}, from 0,")
        parts = [part for part in parts if len(part[0])]
        if not parts:
            raise ValueError(
                f"acquisition=glister has no rows for validation={self.validation}; label some first or use "
                "validation=pool"
            )
        head = ValidationHead(parts, single, self.memory_gib)
        step = self.lr / (max(len(labelled_targets_L), 1) if self.inner_grad == "mean" else 1)
        head.descend(summed_gradient(labelled, head.chunk), step)
        return head

    def _greedy(self, head: ValidationHead, gains: Gains, regulariser: Regulariser, num_greedy: int) -> list[int]:
        features_ND, residual_NC = gains.gradients.features_ND, gains.gradients.residual_NC
        picked: list[int] = []
        new: list[int] = []
        taken_N = np.zeros(len(features_ND), dtype=bool)
        while len(picked) < num_greedy:
            gradient = head.advance(features_ND[new].to(residual_NC.dtype), residual_NC[new], self.lr)
            new = []
            while len(new) < min(self.refresh_every, num_greedy - len(picked)):
                bonus_N = self.weight * regulariser.reward_N.cpu().numpy()
                new.append(gains.best(gradient, bonus_N, taken_N))
                taken_N[new[-1]] = True
                regulariser.add(new[-1])
            picked += new
        return picked


def infeasible(refreshes: int, num_validation: int, num_candidates: int, num_classes: int, num_features: int) -> str:
    """Returns why this many gradients are refused, or an empty text."""
    flop = 2.0 * refreshes * (num_candidates + 2 * num_validation) * num_classes * num_features
    if flop <= MAX_FLOP:
        return ""
    return (
        f"acquisition=glister needs {flop:.1e} FLOP for {refreshes} gradients over {num_validation} validation rows "
        f"and {num_candidates} candidates, wanted at most {MAX_FLOP:.0e}; raise acquisition.refresh_every (budget / "
        "15, say) or use validation=val"
    )
