"""Adversarial active learning by DeepFool. Ducoffe and Precioso 2018, Sec. 3; Moosavi-Dezfooli et al. 2016, Alg. 2.

The certainty of a row is the length of the perturbation of its input that changes the prediction.

Dimension key: B batch, C classes, A rows of the batch that still keep their prediction.
"""

from collections.abc import Callable
from math import ceil

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.cost import Cost, input_bytes
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.acquisition.kernel.top_k import smallest
from calrun.look.sizes import FLOAT, Sizes
from calrun.model.adapt.mode import in_mode
from calrun.text.legal import at_least

EXPECTED_STEPS = 3  # steps in which a network usually changes its prediction (Moosavi-Dezfooli et al. 2016)

Net = Callable[[Tensor], Tensor]  # x (B, ...) to logits (B, C)


class DeepFool(Acquisition):
    """Takes the rows whose prediction changes under the smallest perturbation.

    Each step costs one forward pass, and one backward pass for each class tried, over the whole batch at once.

    Args:
        max_iter: maximum number of steps; a row that keeps its prediction gets the length reached by then. DISTIL
            takes 50.
        overshoot: share by which the perturbation is made longer; both papers take 0.02.
        epsilon: length added to each step, so that it crosses the boundary; DISTIL takes 1e-4.
        top_classes: how many of the likeliest classes are tried (10 in the DeepFool paper's code); `None` tries all.
        batch_size: rows perturbed at once.
    """

    needs = frozenset({"images", "model"})
    classifies_rows = True
    approximation = "acquisition.top_classes=10, and a smaller acquisition.batch_size"

    def __init__(
        self, max_iter: int, overshoot: float, epsilon: float, top_classes: int | None, batch_size: int
    ) -> None:
        at_least(1, "acquisition", max_iter=max_iter, batch_size=batch_size)
        if top_classes is not None and top_classes < 2:
            raise ValueError(
                f"acquisition.top_classes is {top_classes}, wanted at least 2: the predicted class and a rival"
            )
        self.max_iter, self.overshoot, self.epsilon = max_iter, overshoot, epsilon
        self.top_classes, self.batch_size = top_classes, batch_size

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        model = candidates.model
        if min(budget, len(candidates)) <= 0:
            return candidates.rows[:0].astype(np.int64)
        lengths = []
        with in_mode(model, training=False), torch.inference_mode(False), torch.enable_grad():
            for _, x in candidates.images.batches(candidates.rows, self.batch_size):
                lengths.append(self.lengths(lambda x: model(x).logits_BC, x.detach().clone()))
        return smallest(torch.cat(lengths), candidates.rows, budget)

    def cost(self, sizes: Sizes) -> Cost:
        """Returns the cost of a forward pass, and a backward pass for each class tried, a few times for each row."""
        if sizes.tokens:
            return Cost(
                refusal="deepfool moves inputs by small steps, but tokens have none; choose another acquisition"
            )
        tried = min(self.top_classes or sizes.classes, sizes.classes)
        rows, steps = sizes.candidates, min(EXPECTED_STEPS, self.max_iter)
        pass_ = Cost(sizes.forward_flops, sizes.activation_bytes + 6 * input_bytes(sizes))
        held = FLOAT * rows + min(rows, self.batch_size) * (sizes.activation_bytes + 8 * input_bytes(sizes))
        calls = Cost(rows, bytes_peak=held, calls=100.0 * steps * (1 + tried) * ceil(rows / self.batch_size))
        return pass_.times(rows * steps * (1 + tried)) + calls

    def lengths(self, net: Net, x: Tensor) -> Tensor:
        """Returns the length of each row's perturbation (B,).

        It is the largest float where no slope leads to another class, and NaN for rows that are not finite.
        """
        logits_BC = net(x).detach()
        tried_BC = logits_BC.topk(min(self.top_classes or logits_BC.shape[1], logits_BC.shape[1])).indices
        added, stuck_B = torch.zeros_like(x), torch.zeros(len(x), dtype=torch.bool, device=x.device)
        active_A = torch.arange(len(x), device=x.device)
        for _ in range(self.max_iter):
            point = (x + (1 + self.overshoot) * added)[active_A].requires_grad_()
            logits_AC = net(point)
            kept_A = logits_AC.argmax(dim=1) == tried_BC[active_A, 0]
            if not kept_A.any():
                break
            distance_A, direction = nearest_boundary(logits_AC, point, tried_BC[active_A])
            stuck_B[active_A[kept_A & distance_A.isinf()]] = True
            moving_A = kept_A & distance_A.isfinite()
            active_A = active_A[moving_A]
            added[active_A] += as_wide_as(distance_A + self.epsilon, x)[moving_A] * direction[moving_A]
        length_B = (1 + self.overshoot) * added.flatten(1).norm(dim=1)
        length_B = length_B.masked_fill(stuck_B, torch.finfo(length_B.dtype).max)
        broken_B: Tensor = ~(x.flatten(1).isfinite().all(dim=1) & logits_BC.isfinite().all(dim=1))
        answer_B: Tensor = length_B.masked_fill(broken_B, torch.nan)
        return answer_B


def nearest_boundary(logits_AC: Tensor, point: Tensor, tried_AC: Tensor) -> tuple[Tensor, Tensor]:
    """Returns min_k |f_k| / |w_k| of the linearised net, f_k = z_k - z_top and w_k its slope, and w_k's unit vector.

    The first of the tried classes is the predicted one. The distance is infinite where all slopes vanish.
    """
    tried_logits_AC = logits_AC.gather(1, tried_AC)
    gap_AC = (tried_logits_AC[:, :1] - tried_logits_AC).detach()
    slope_of_top = slope(tried_logits_AC[:, 0], point)
    distance_A, direction = torch.full_like(gap_AC[:, 0], torch.inf), torch.zeros_like(point)
    for k in range(1, tried_AC.shape[1]):
        towards = slope(tried_logits_AC[:, k], point) - slope_of_top
        steepness_A = towards.flatten(1).norm(dim=1)
        distance_to_k_A = gap_AC[:, k] / steepness_A  # NaN where neither the logits nor the slopes differ
        nearer_A = (steepness_A > 0) & (distance_to_k_A < distance_A)
        distance_A = torch.where(nearer_A, distance_to_k_A, distance_A)
        unit = towards / as_wide_as(steepness_A, towards)
        direction = torch.where(as_wide_as(nearer_A, towards), unit, direction)
    return distance_A, direction


def slope(logits_A: Tensor, point: Tensor) -> Tensor:
    """Returns the gradient of one logit per row with respect to its input; rows do not mix in evaluation mode."""
    (gradient,) = torch.autograd.grad(logits_A.sum(), point, retain_graph=True)
    return gradient


def as_wide_as(values_A: Tensor, x: Tensor) -> Tensor:
    return values_A.view(-1, *[1] * (x.dim() - 1))
