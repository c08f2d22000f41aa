"""BADGE on pooled gradients. Emam et al. 2021, "Active Learning at the ImageNet Scale", App. A.3.

The paper pools the (C, D) gradient to 512 numbers. Adaptive average pooling of an outer product is the outer product of
the pooled factors, so a row is 16 + 32 numbers, and the whole of ImageNet needs no partition.

Dimension key: N candidates, B rows of a chunk, C classes, D features, P pooled length.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from calrun.acquisition.badge import Badge
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.factors import MAX_BLOCK, Factor, Points, feature_chunk
from calrun.acquisition.kernel.residual import residual
from calrun.look.sizes import FLOAT, Sizes
from calrun.text.legal import at_least


class PooledBadge(Badge):
    """Draws rows by k-means++ seeding on gradients that are averaged over neighbouring classes and features.

    Averages over neighbouring classes nearly cancel and depend on the order of the classes: keep the data set's order.

    Args:
        pooled_size: the length of the pooled gradient; the paper takes 512.
        max_height: largest number of columns that the C classes are averaged to; the authors take 16.
        first: as in `Badge`; not used when labelled rows condition the draws.
        condition_on_labelled: as in `Badge`; the authors' code conditions.
        memory_gib: limit for temporary tensors in GiB; `None` takes a quarter of the free memory.
    """

    approximation = "acquisition=partitioned_badge_pooled with acquisition.subset_unlabelled"

    def __init__(
        self,
        pooled_size: int,
        max_height: int,
        first: Literal["argmax_norm", "uniform"],
        condition_on_labelled: bool,
        memory_gib: float | None,
    ) -> None:
        super().__init__(
            first, condition_on_labelled, bias=False, mode="blocked", greedy_trials=1, memory_gib=memory_gib
        )
        at_least(1, "acquisition", max_height=max_height)
        at_least(max_height, "acquisition", pooled_size=pooled_size)
        self.pooled_size = pooled_size
        self.max_height = max_height

    def embed(self, logits_NC: Tensor, features_ND: Tensor) -> Points:
        height = min(self.max_height, logits_NC.shape[1])
        sizes = height, self.pooled_size // height
        stores = Factor(logits_NC, residual), Factor(features_ND)
        chunk = feature_chunk(logits_NC.shape[1] + features_ND.shape[1], self.memory_gib, features_ND.device)
        pooled = [Factor(pool(store, size, chunk)) for store, size in zip(stores, sizes, strict=True)]
        return Points(pooled, feature_chunk(sum(sizes), self.memory_gib, features_ND.device))

    def cost(self, sizes: Sizes) -> Cost:
        """Returns N (C + D) for the pooling, then b N of the pooled columns."""
        rows = sizes.candidates + (sizes.labelled if self.condition_on_labelled else 0)
        height = min(self.max_height, sizes.classes)
        width = height + self.pooled_size // height
        wide = rows * (sizes.classes + sizes.features)
        pooling = Cost(7.0 * wide, 8.0 * FLOAT * wide, functions=rows * sizes.classes)
        return (pooling + self._draw_cost(sizes, width)).holding(FLOAT * rows * width)


def pool(factor: Factor, size: int, chunk: int) -> Tensor:
    """Returns the averages over neighbouring columns (N, size)."""
    pooled_NP = torch.empty((len(factor), size), dtype=factor.dtype, device=factor.store_NF.device)
    stride = min(MAX_BLOCK, chunk)
    for start in range(0, len(factor), stride):
        block_BF = factor[slice(start, start + stride)]
        pooled_NP[start : start + stride] = F.adaptive_avg_pool1d(block_BF[:, None], size).squeeze(1)
    return pooled_NP
