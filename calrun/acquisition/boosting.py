"""Gradient norms. Wang et al. 2022, "Boosting Active Learning via Improving Test Performance", Sec. 4.

Dimension key: N candidates, B rows of a chunk, C classes, D features.
"""

from math import ceil, prod
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.cost import Cost, input_bytes
from calrun.acquisition.kernel.factors import full_precision
from calrun.acquisition.kernel.memory import chunk_rows, limit_bytes, shortage
from calrun.acquisition.kernel.row_gradients import Norm, Scheme, last_layer_lengths, lengths_of_rows
from calrun.acquisition.kernel.row_order import in_row_order
from calrun.acquisition.kernel.top_k import largest
from calrun.look.sizes import FLOAT, Sizes
from calrun.model.adapt.forward_work import forward_work
from calrun.model.adapt.mode import in_mode
from calrun.text.legal import one_of

MOST_ROWS = 64  # of a chunk: more gain nothing
CACHE_BYTES = 1 << 25  # bytes of a chunk's gradients on the host: beyond, rows are faster one after the other
Parameters = Literal["all", "last"]


class Boosting(Acquisition):
    """Takes the rows with the longest gradient of a loss that needs no label.

    Args:
        scheme: whose gradient. `entropy`: the prediction's entropy H. `expected`: sum_c p_c CE(c), which is H itself,
            so that both choose the same rows; with p held constant, as the paper's text has it, its gradient vanishes.
            `expected_length`: sum_c p_c |gradient of CE(c)| instead (Settles et al. 2008), for C gradients a row.
        params: with respect to `all` parameters, frozen or not, or to those of the `last` layer, in closed form.
        norm: `sum` of the norms of the parameter tensors, as in the authors' code; or of the `whole` gradient.
        memory_gib: limit for temporary tensors in GiB; `None` takes a quarter of the free memory.
    """

    approximation = "acquisition.params=last, or acquisition=subset_of acquisition@acquisition.inner=boosting"

    def __init__(self, scheme: Scheme, params: Parameters, norm: Norm, memory_gib: float | None) -> None:
        one_of("acquisition.scheme", scheme, ("entropy", "expected", "expected_length"))
        one_of("acquisition.params", params, ("all", "last"))
        one_of("acquisition.norm", norm, ("sum", "whole"))
        self.classifies_rows = scheme == "expected_length"
        self.needs = frozenset({"images", "model"} if params == "all" else {"logits", "features", "head_weight"})
        self.scheme, self.params, self.norm, self.memory_gib = scheme, params, norm, memory_gib

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        candidates = in_row_order(candidates)
        if min(budget, len(candidates)) <= 0:
            return candidates.rows[:0].astype(np.int64)
        lengths_N = self._of_all(candidates) if self.params == "all" else self._of_last(candidates)
        return largest(lengths_N, candidates.rows, budget)

    def cost(self, sizes: Sizes) -> Cost:
        """Returns the cost of a forward pass and a gradient for each row, or that of one pass over the columns."""
        rows, width = sizes.candidates, sizes.classes + sizes.features
        gradients = sizes.classes if self.scheme == "expected_length" else 1
        if self.params == "last":
            numbers = float(rows * (sizes.classes * gradients + sizes.features))
            short, peak = (
                shortage(last_bytes(width), self.memory_gib, sizes.device),
                min(rows, 4096) * FLOAT * 4 * width,
            )
            return Cost(8 * numbers, 3 * FLOAT * numbers, peak + 8.0 * rows, 2 * numbers, 30, short)
        parameters = sizes.forward_flops / 2  # at most: each takes part in a multiplication and an addition
        row = 2 * FLOAT * parameters + 4 * sizes.activation_bytes + 2 * input_bytes(sizes)
        room = limit_bytes(self.memory_gib, sizes.device) / max(row, 1)
        if sizes.device is None or sizes.device.type == "cpu":
            room = min(room, CACHE_BYTES / max(FLOAT * parameters, 1))
        chunk = max(1, min(rows, MOST_ROWS, int(room)))
        passes = Cost((1 + 2 * gradients) * sizes.forward_flops, gradients * row + sizes.activation_bytes)
        calls = 500.0 * ceil(rows / (1 if sizes.tokens else chunk))
        least = 2 * FLOAT * sizes.classes * sizes.features + 2 * round(input_bytes(sizes))  # the head and a row alone
        short = shortage(least, self.memory_gib, sizes.device)
        return passes.times(rows) + Cost(rows, bytes_peak=chunk * row + 8.0 * rows, calls=calls, refusal=short)

    def _of_all(self, candidates: Candidates) -> Tensor:
        model, images = candidates.model, candidates.images
        lengths = []
        with in_mode(model, training=False), full_precision(), torch.inference_mode(False), torch.no_grad():
            _, first = next(iter(images.batches(candidates.rows[:1], 1)))
            held = sum(FLOAT * parameter.numel() for parameter in model.parameters())
            row = 2 * held + 4 * round(forward_work(model, first).activation_bytes) + 2 * FLOAT * prod(first.shape)
            chunk = min(MOST_ROWS, chunk_rows(row, self.memory_gib, first.device))
            if first.is_cpu:
                chunk = max(1, min(chunk, CACHE_BYTES // held))
            of_rows = lengths_of_rows(model, self.scheme, self.norm, first)
            for _, x in images.batches(candidates.rows, chunk):
                broken_B = ~x.flatten(1).isfinite().all(dim=1)  # a ReLU may hide it
                lengths.append(of_rows(x.detach()).masked_fill(broken_B, torch.nan))
        return torch.cat(lengths)

    def _of_last(self, candidates: Candidates) -> Tensor:
        logits_NC, features_ND = candidates.logits_NC, candidates.features_ND
        width = sum(candidates.head_weight_CD.shape)  # a head that is not linear has another gradient
        chunk = chunk_rows(last_bytes(width), self.memory_gib, logits_NC.device)
        single = torch.promote_types(logits_NC.dtype, torch.float32)
        parts = zip(torch.split(logits_NC, chunk), torch.split(features_ND, chunk), strict=True)
        return torch.cat([last_layer_lengths(z.to(single), h.to(single), self.scheme, self.norm) for z, h in parts])


def last_bytes(width: int) -> int:
    """Returns the bytes that a row takes while its last-layer gradient is measured."""
    return 6 * FLOAT * width
