"""Similarities of rows, in a matrix where it fits and row by row where it does not.

Dimension key: N rows, R represented rows (all, or a subset), B rows of a block, D features.
"""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.factors import MAX_BLOCK, Block, distances, full_precision, squared_norms
from calrun.acquisition.memory import GIB, chunk_rows, limit_bytes

MOST_ROWS = 200_000  # all pairs of more take hours
SAMPLE = 1000  # rows whose pairs tell the median distance
STEP = 256  # rows of the matrix filled at once

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kernel:
    """How alike two rows are.

    Args:
        kind: `cosine_clip0` max(0, cos), the convention of DISTIL's library; `cosine_rescaled` (1 + cos) / 2; `rbf`
            exp(-d^2 / (2 sigma^2)), Das et al.; `exp_distance` exp(-d / D), the "euclidean" of DISTIL's library.
        normalize: rows to unit length (`l2`), columns to zero mean and unit variance (`standardize`), or `none`;
            cosines always take unit length last.
        sigma: of `rbf`: a number, or the `median` distance. On unnormalised features 0.1 makes all rows unlike.
    """

    kind: Literal["cosine_clip0", "cosine_rescaled", "rbf", "exp_distance"]
    normalize: Literal["l2", "standardize", "none"]
    sigma: float | Literal["median"]

    @property
    def functions(self) -> int:
        """Exponentials that one similarity takes."""
        return int(self.kind in ("rbf", "exp_distance"))

    def prepare(self, features_ND: Tensor) -> Tensor:
        """Returns the features, normalised and in at least single precision."""
        x_ND = features_ND if features_ND.dtype == torch.float64 else features_ND.float()
        if self.normalize == "standardize":
            x_ND = (x_ND - x_ND.mean(dim=0)) / x_ND.std(dim=0, correction=0).clamp_min(torch.finfo(x_ND.dtype).tiny)
        if self.normalize == "l2" or self.kind.startswith("cosine"):
            return torch.nn.functional.normalize(x_ND)
        return x_ND - x_ND.mean(dim=0)

    def width(self, x_ND: Tensor) -> float:
        """Returns sigma in the units of the prepared features."""
        if self.kind != "rbf" or self.sigma != "median":
            return 1.0 if self.sigma == "median" else float(self.sigma)
        sample_BD = x_ND[:: max(1, len(x_ND) // SAMPLE)].double()
        return float(torch.pdist(sample_BD).median()) if len(sample_BD) > 1 else 1.0

    def __call__(self, x_BD: Tensor, y_RD: Tensor, width: float) -> Tensor:
        if self.kind == "cosine_clip0":
            return (x_BD @ y_RD.T).clamp_(min=0)
        if self.kind == "cosine_rescaled":
            return (x_BD @ y_RD.T).add_(1).div_(2).clamp_(min=0)
        squared_BR = distances(Block((x_BD,), squared_norms([x_BD])), Block((y_RD,), squared_norms([y_RD])))
        if self.kind == "rbf":
            return squared_BR.div_(-2 * (width or math.inf) ** 2).exp_()
        return squared_BR.sqrt_().div_(-x_BD.shape[1]).exp_()


def too_many(num_rows: int, num_represented: int) -> str:
    """Returns why so many pairs are refused, or nothing."""
    if num_rows * num_represented <= MOST_ROWS**2:
        return ""
    return (
        f"facility location compares {num_rows} rows with {num_represented}, {num_rows * num_represented:.2g} "
        f"pairs ({num_rows * num_represented * 4 / GIB:.3g} GiB), wanted at most {MOST_ROWS**2:.2g}; set "
        "acquisition.represented to a random subset, or choose acquisition=partitioned_coreset "
        "acquisition@acquisition.inner=facility_location (both approximate)"
    )


class Similarity:
    """How alike each of N rows is to each of R represented rows.

    Rows of the matrix are computed once if they all fit into the memory limit, else whenever they are asked for.

    Args:
        kernel: the formula.
        features_ND: the rows, by ascending row number.
        represented: positions of the represented rows; None for all.
        groups_N: rows of different groups have similarity 0; None for one group.
        memory_gib: limit for the matrix or the temporary tensors; None is a quarter of what is free.

    Raises:
        ValueError: if there are too many rows for all pairs.
    """

    def __init__(
        self,
        kernel: Kernel,
        features_ND: Tensor,
        represented: np.ndarray | None,
        groups_N: Tensor | None,
        memory_gib: float | None,
    ) -> None:
        num_rows = len(features_ND)
        num_represented = num_rows if represented is None else len(represented)
        if refusal := too_many(num_rows, num_represented):
            raise ValueError(refusal)
        self.kernel, self.groups_N = kernel, groups_N
        self.x_ND = kernel.prepare(features_ND)
        self.index_R = None if represented is None else torch.from_numpy(represented).to(self.x_ND.device)
        self.width = kernel.width(self.x_ND)
        item = self.x_ND.element_size()
        self.chunk = min(MAX_BLOCK, chunk_rows(2 * item * num_represented, memory_gib, self.x_ND.device))
        fits = num_rows * num_represented * item <= limit_bytes(memory_gib, self.x_ND.device)
        self.matrix_NR = self._matrix(num_represented) if fits else None

    def __len__(self) -> int:
        return len(self.x_ND)

    def rows(self, index_B: Tensor) -> Tensor:
        """Returns the (B, R) similarities of some rows, in memory of their own."""
        if self.matrix_NR is not None:
            return self.matrix_NR.index_select(0, index_B)
        return self._block(index_B, self.index_R)

    def totals(self) -> Tensor:
        """Returns the (N,) sums over the represented rows, and logs how many neighbours a row has in effect."""
        totals_N = torch.empty(len(self), dtype=torch.float64, device=self.x_ND.device)
        for span in self._spans():
            block_BR = self._block(span, self.index_R) if self.matrix_NR is None else self.matrix_NR[span]
            totals_N[span] = block_BR.sum(dim=1, dtype=torch.float64)
        logger.info("mean effective neighbours %.3g of %d rows", float(totals_N.mean()), len(self))
        return totals_N

    def _matrix(self, num_represented: int) -> Tensor:
        matrix_NR = torch.empty((len(self), num_represented), dtype=self.x_ND.dtype, device=self.x_ND.device)
        for span in self._spans():
            if self.index_R is not None:
                matrix_NR[span] = self._block(span, self.index_R)
                continue
            below = slice(span.start, len(self))  # symmetric: what is left of the block is known already
            matrix_NR[span, below] = self._block(span, below)
            matrix_NR[span.stop :, span] = matrix_NR[span, span.stop :].T
        return matrix_NR

    def _block(self, index: slice | Tensor, others: slice | Tensor | None) -> Tensor:
        others = slice(None) if others is None else others
        with full_precision():
            block_BR = self.kernel(self.x_ND[index], self.x_ND[others], self.width)
        if self.groups_N is not None:
            block_BR *= self.groups_N[index][:, None] == self.groups_N[others]
        return block_BR

    def _spans(self) -> Iterator[slice]:
        step = max(1, min(self.chunk, STEP))
        for start in range(0, len(self), step):
            yield slice(start, min(start + step, len(self)))
