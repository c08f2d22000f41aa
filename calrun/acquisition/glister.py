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
import torch.nn.functional as F
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.glister_regulariser import REGULARISERS, Gradients, Regulariser
from calrun.acquisition.memory import chunk_rows
from calrun.acquisition.row_order import in_row_order
from calrun.acquisition.top_k import finite

MAX_FLOP = 1e16  # days on a workstation
VALIDATION = {"pool": (), "labelled": (), "val": ("val_logits", "val_features", "val_targets")}
ALWAYS = ("logits", "features", "labelled_logits", "labelled_features", "labelled_targets")
Part = tuple[Tensor, Tensor, Tensor]  # features (P, D), logits (P, C), targets (P,)


class Glister(Acquisition):
    """Takes, one after the other, the row whose gradient step lowers the validation loss most.

    Args:
        lr: learning rate of the step; DISTIL takes that of the training.
        validation: `pool` is the pool with its predicted classes and the labelled rows, what DISTIL does without a
            validation set; `labelled` the labelled rows; `val` the data set's own validation split.
        inner_grad: the step on the labelled rows follows the `sum` of their gradients, as in DISTIL, or the `mean`.
        refresh_every: picks between two gradients of the validation loss; 1 is exact, ceil(budget / 15) is CORDS.
        regulariser: `name` and `weight` (lambda). `none`; `random` draws that share of the batch at random;
            `facility_location` adds how much a row reduces the squared distances of all gradients to the batch;
            `diversity` subtracts sum_s exp(-d^2 / 2) over the batch. DISTIL's Rand, FacLoc and Diversity.
        memory_gib: limit for temporary tensors; None is a quarter of what is free.
    """

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
        choices = {
            "validation": (validation, VALIDATION),
            "inner_grad": (inner_grad, ("sum", "mean")),
            "regulariser.name": (self.regulariser, REGULARISERS),
        }
        for option, (value, known) in choices.items():
            if value not in known:
                raise ValueError(f"acquisition.{option} is {value!r}, wanted one of {list(known)}")
        if refresh_every < 1 or (self.regulariser == "random" and not 0 <= self.weight <= 1):
            raise ValueError(
                f"acquisition.refresh_every is {refresh_every} and acquisition.regulariser.weight {self.weight}, wanted "
                "at least 1 and, for regulariser.name=random, a share between 0 and 1"
            )
        self.lr, self.validation, self.inner_grad = lr, validation, inner_grad
        self.refresh_every, self.memory_gib = refresh_every, memory_gib
        self.needs = frozenset({*ALWAYS, *VALIDATION[validation]})

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        budget = min(budget, len(candidates))
        num_greedy = budget
        if self.regulariser == "random":
            num_greedy = math.ceil((1 - self.weight) * budget - 1e-9)
        features_ND = candidates.features_ND
        residual_NC = residual(candidates.logits_NC, candidates.logits_NC.argmax(dim=1))
        regulariser = REGULARISERS[self.regulariser](Gradients(residual_NC, features_ND, self.memory_gib))
        head = self._validation_head(candidates)
        self._refuse_infeasible(head, features_ND, num_greedy)
        picked = self._greedy(head, features_ND, residual_NC, regulariser, num_greedy, candidates.rows)
        left = np.setdiff1d(np.arange(len(candidates)), picked)
        picked += rng.choice(left, budget - num_greedy, replace=False).tolist()
        return candidates.rows[picked].astype(np.int64)

    def _validation_head(self, candidates: Candidates) -> "ValidationHead":
        """Returns the head on the validation rows after the step on the labelled rows."""
        labelled_targets_L = candidates.labelled_targets_L.to(candidates.logits_NC.device)
        labelled: Part = (candidates.labelled_features_LD, candidates.labelled_logits_LC, labelled_targets_L)
        parts: list[Part] = [labelled]
        if self.validation == "pool":
            parts.append((candidates.features_ND, candidates.logits_NC, candidates.logits_NC.argmax(dim=1)))
        elif self.validation == "val":
            val_targets_V = candidates.val_targets_V.to(candidates.logits_NC.device)
            parts = [(candidates.val_features_VD, candidates.val_logits_VC, val_targets_V)]
        parts = [part for part in parts if len(part[0])]
        if not parts:
            raise ValueError(
                f"acquisition=glister has no rows for validation={self.validation}; label some first or use "
                "validation=pool"
            )
        head = ValidationHead(parts, candidates.logits_NC.dtype, self.memory_gib)
        step = self.lr / (max(len(labelled_targets_L), 1) if self.inner_grad == "mean" else 1)
        head.descend(*gradient([labelled], head.chunk), step)
        return head

    def _refuse_infeasible(self, head: "ValidationHead", features_ND: Tensor, num_greedy: int) -> None:
        refreshes = math.ceil(num_greedy / self.refresh_every)
        flop = (
            2.0
            * refreshes
            * features_ND.numel()
            * head.num_classes
            * (1 + 2 * head.num_rows / max(len(features_ND), 1))
        )
        if flop > MAX_FLOP:
            raise ValueError(
                f"acquisition=glister needs {flop:.1e} FLOP for {refreshes} gradients over {head.num_rows} validation "
                f"rows and {len(features_ND)} candidates, wanted at most {MAX_FLOP:.0e}; raise "
                "acquisition.refresh_every (budget / 15, say) or use validation=val"
            )

    def _greedy(
        self,
        head: "ValidationHead",
        features_ND: Tensor,
        residual_NC: Tensor,
        regulariser: Regulariser,
        num_greedy: int,
        rows: np.ndarray,
    ) -> list[int]:
        picked: list[int] = []
        taken_N = np.zeros(len(rows), dtype=bool)
        while len(picked) < num_greedy:
            gain_N = taylor_gains(features_ND, residual_NC, head)
            end = min(num_greedy, len(picked) + self.refresh_every)
            new: list[int] = []
            for _ in range(len(picked), end):
                score_N = finite(gain_N + self.weight * regulariser.reward_N, rows, "gains")
                new.append(int(np.where(taken_N, -np.inf, score_N).argmax()))
                taken_N[new[-1]] = True
                regulariser.add(new[-1])
            head.take(features_ND[new].to(residual_NC.dtype), residual_NC[new], self.lr)
            picked += new
        return picked


class ValidationHead:
    """The logits of the validation rows while the head moves, in exact linear updates."""

    def __init__(self, parts: list[Part], dtype: torch.dtype, memory_gib: float | None) -> None:
        self.parts = [(features, logits.to(dtype, copy=True), targets) for features, logits, targets in parts]
        self.num_rows = sum(len(features) for features, _, _ in parts)
        self.num_classes = parts[0][1].shape[1]
        features, logits, _ = self.parts[0]
        bytes_per_row = logits.element_size() * (6 * logits.shape[1] + 2 * features.shape[1])
        self.chunk = chunk_rows(bytes_per_row, memory_gib, logits.device)

    def descend(self, gradient_CD: Tensor, gradient_C: Tensor, lr: float) -> None:
        """Moves the head by -lr times a gradient of its weight and bias."""
        for features_PD, logits_PC, _ in self.parts:
            for x, out in zip(torch.split(features_PD, self.chunk), torch.split(logits_PC, self.chunk), strict=True):
                out.sub_(F.linear(x.to(out.dtype), gradient_CD, gradient_C), alpha=lr)

    def take(self, features_QD: Tensor, residual_QC: Tensor, lr: float) -> None:
        """Moves the head by -lr times the gradients of the picked rows: a matrix of rank Q."""
        for features_PD, logits_PC, _ in self.parts:
            for x, out in zip(torch.split(features_PD, self.chunk), torch.split(logits_PC, self.chunk), strict=True):
                if len(features_QD) == 1:
                    out.addr_((x.to(out.dtype) @ features_QD[0]).add_(1), residual_QC[0], alpha=-lr)
                else:
                    out.addmm_((x.to(out.dtype) @ features_QD.T).add_(1), residual_QC, alpha=-lr)

    def gradient(self) -> tuple[Tensor, Tensor]:
        """Returns the gradient of the mean validation loss in the head's weight and bias."""
        gradient_CD, gradient_C = gradient(self.parts, self.chunk)
        return gradient_CD / self.num_rows, gradient_C / self.num_rows


def gradient(parts: list[Part], chunk: int) -> tuple[Tensor, Tensor]:
    """Returns the gradient of the summed cross-entropy in a head's weight and bias, (p - y)^T [h; 1]."""
    features, logits, _ = parts[0]
    gradient_CD = logits.new_zeros(logits.shape[1], features.shape[1])
    gradient_C = logits.new_zeros(logits.shape[1])
    for part in parts:
        for features_PD, logits_PC, targets_P in zip(*(torch.split(tensor, chunk) for tensor in part), strict=True):
            residual_PC = residual(logits_PC, targets_P)
            gradient_CD += residual_PC.T @ features_PD.to(logits.dtype)
            gradient_C += residual_PC.sum(dim=0)
    return gradient_CD, gradient_C


def residual(logits_PC: Tensor, targets_P: Tensor) -> Tensor:
    """Returns p - y; the entry of the target is minus the sum of the others, so that confident rows do not cancel."""
    residual_PC = logits_PC.softmax(dim=1)
    residual_PC.scatter_(1, targets_P[:, None], 0)
    return residual_PC.scatter_(1, targets_P[:, None], -residual_PC.sum(dim=1, keepdim=True))


def taylor_gains(features_ND: Tensor, residual_NC: Tensor, head: ValidationHead) -> Tensor:
    """Returns <gradient of a row, gradient of the validation loss>: how much a step on it lowers the loss, per lr."""
    gradient_CD, gradient_C = head.gradient()
    gains = [
        (F.linear(features_BD.to(gradient_CD.dtype), gradient_CD, gradient_C) * residual_BC).sum(dim=1)
        for features_BD, residual_BC in zip(
            torch.split(features_ND, head.chunk), torch.split(residual_NC, head.chunk), strict=True
        )
    ]
    return torch.cat(gains)
