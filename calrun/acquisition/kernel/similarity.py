"""Similarities of rows, in a matrix where it fits into memory and row by row where it does not.

Dimension key: N rows, R represented rows (all, or a subset), B rows of a chunk, T of the represented rows, D features.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from calrun.acquisition.kernel.factors import (
    MAX_BLOCK,
    Chunk,
    Factor,
    distances,
    full_precision,
    in_memory,
    spans,
    squared_norms,
)
from calrun.acquisition.kernel.memory import GIB, chunk_rows, limit_bytes
from calrun.text.legal import one_of

MOST_ROWS = 200_000  # all pairs of more rows take hours
SAMPLE = 1000  # rows whose pairs give the median distance
STEP = 256  # rows of the matrix filled at once
TILE = 1024  # columns filled at once: their normalised features and their similarities stay near the caches
FEW_COLUMNS = 128  # columns summed in single precision, which is four times as fast

Kind = Literal["cosine_clip0", "cosine_rescaled", "rbf", "exp_distance"]
Normalization = Literal["l2", "standardize", "none"]


@dataclass(frozen=True)
class Kernel:
    """How alike two rows are.

    Args:
        kind: `cosine_clip0` max(0, cos), the convention of DISTIL's library; `cosine_rescaled` (1 + cos) / 2; `rbf`
            exp(-d^2 / (2 sigma^2)), Das et al.; `exp_distance` exp(-d / D), the "euclidean" of DISTIL's library.
        normalize: scales rows to unit length (`l2`), columns to zero mean and unit variance (`standardize`), or nothing
            (`none`); for cosines, rows are always scaled to unit length last.
        sigma: of `rbf`: a number, or the `median` distance. On unnormalised features 0.1 makes all rows unlike.
    """

    kind: Kind
    normalize: Normalization
    sigma: float | Literal["median"]

    def __post_init__(self) -> None:
        one_of("acquisition.kernel.kind", self.kind, get_args(Kind))
        one_of("acquisition.kernel.normalize", self.normalize, get_args(Normalization))
        if self.sigma != "median" and not (isinstance(self.sigma, int | float) and self.sigma > 0):
            raise ValueError(f"acquisition.kernel.sigma is {self.sigma!r}, wanted a number above 0, or median")

    @property
    def functions(self) -> int:
        """Exponentials that one similarity takes."""
        return int(self.kind in ("rbf", "exp_distance"))

    def prepare(self, features_ND: Tensor) -> Factor:
        """Returns the features, normalised whenever some of them are read, in at least single precision."""
        if self.normalize == "standardize":
            mean_D, std_D = moments(Factor(features_ND))
            if self.kind.startswith("cosine"):
                return Factor(features_ND, lambda x_BD: normalize((x_BD - mean_D) / std_D))
            return Factor(features_ND, lambda x_BD: (x_BD - mean_D) / std_D)
        if self.normalize == "l2" or self.kind.startswith("cosine"):
            return Factor(features_ND, normalize)
        centre_D, _ = moments(Factor(features_ND))
        return Factor(features_ND, lambda x_BD: x_BD - centre_D)

    def width(self, x: Factor) -> float:
        """Returns sigma in the units of the prepared features."""
        if self.kind != "rbf" or self.sigma != "median":
            return 1.0 if self.sigma == "median" else float(self.sigma)
        sample_BD = x[torch.arange(0, len(x), max(1, len(x) // SAMPLE), device=x.store_NF.device)].double()
        return float(torch.pdist(sample_BD).median()) if len(sample_BD) > 1 else 1.0

    def __call__(self, x_BD: Tensor, y_RD: Tensor, width: float) -> Tensor:
        if self.kind == "cosine_clip0":
            return (x_BD @ y_RD.T).clamp_(min=0)
        if self.kind == "cosine_rescaled":
            return (x_BD @ y_RD.T).add_(1).div_(2).clamp_(min=0)
        squared_BR = distances(Chunk((x_BD,), squared_norms([x_BD])), Chunk((y_RD,), squared_norms([y_RD])))
        if self.kind == "rbf":
            return squared_BR.div_(-2 * (width or math.inf) ** 2).exp_()
        return squared_BR.sqrt_().div_(-x_BD.shape[1]).exp_()


def too_many(num_rows: int, num_represented: int) -> str:
    """Returns why this many pairs are refused, or an empty text."""
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
        represented: positions of the represented rows; `None` for all.
        groups_N: the group of each row: rows of different groups have similarity 0; `None` for one group.
        memory_gib: limit for the matrix or the temporary tensors in GiB; `None` takes a quarter of the free memory.

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
        self.x, self.device = kernel.prepare(features_ND), features_ND.device
        self.represented_R = torch.from_numpy(np.arange(num_rows) if represented is None else represented)
        self.everyone = represented is None
        self.width = kernel.width(self.x)
        item = self.x.dtype.itemsize
        self.chunk = min(MAX_BLOCK, chunk_rows(row_bytes(num_represented, item), memory_gib, self.device))
        self.step = max(1, min(self.chunk, STEP))
        self.matrix_NR: Tensor | None = None
        if num_rows * num_represented * item <= limit_bytes(memory_gib, self.device):
            self.matrix_NR = self._matrix()
        else:
            self.x = in_memory(self.x, memory_gib)

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, index_B: Tensor) -> Tensor:
        """Returns the (B, R) similarities of some rows, in memory of their own."""
        if self.matrix_NR is not None:
            return self.matrix_NR.index_select(0, index_B)
        found_BR = torch.empty((len(index_B), len(self.represented_R)), dtype=self.x.dtype, device=self.device)
        x_BD = self.x[index_B]
        for others in spans(0, len(self.represented_R), TILE):
            found_BR[:, others] = self._alike(index_B, x_BD, others, self._represented(others))
        return found_BR

    def totals(self) -> Tensor:
        """Returns each row's sum of similarities to the represented rows (N,)."""
        totals_N = torch.empty(len(self), dtype=torch.float64, device=self.device)
        for span in spans(0, len(self), self.step):
            index_B = torch.arange(span.start, span.stop, device=self.device)
            totals_N[span] = row_sums(self.rows(index_B) if self.matrix_NR is None else self.matrix_NR[span])
        return totals_N

    def _matrix(self) -> Tensor:
        matrix_NR = torch.empty((len(self), len(self.represented_R)), dtype=self.x.dtype, device=self.device)
        for others in spans(0, len(self.represented_R), TILE):
            y_TD = self._represented(others)
            for rows in spans(others.start if self.everyone else 0, len(self), self.step):
                part_BT = self._alike(rows, self.x[rows], others, y_TD)
                matrix_NR[rows, others] = part_BT
                if self.everyone and rows.start >= others.stop:  # symmetric
                    matrix_NR[others, rows] = part_BT.T
        return matrix_NR

    def _represented(self, others: slice) -> Tensor:
        return self.x[others if self.everyone else self.represented_R[others].to(self.device)]

    def _alike(self, rows: slice | Tensor, x_BD: Tensor, others: slice, y_TD: Tensor) -> Tensor:
        """Returns the (B, T) similarities of some rows to some of the represented ones."""
        with full_precision():
            part_BT = self.kernel(x_BD, y_TD, self.width)
        if self.groups_N is not None:
            groups_T = self.groups_N[self.represented_R[others].to(self.device)]
            part_BT *= self.groups_N[rows][:, None] == groups_T
        return part_BT


def row_bytes(num_represented: int, item: int = 4) -> int:
    """Returns the bytes that a row of similarities and its formula take."""
    return 2 * item * num_represented


def moments(features: Factor) -> tuple[Tensor, Tensor]:
    """Returns the mean and the standard deviation of each column, (D,) and (D,), read chunk by chunk."""
    blocks = list(spans(0, len(features), MAX_BLOCK))
    mean_D = torch.stack([features[block].double().sum(dim=0) for block in blocks]).sum(dim=0) / len(features)
    squares = [(features[block].double() - mean_D).square().sum(dim=0) for block in blocks]
    std_D = (torch.stack(squares).sum(dim=0) / len(features)).sqrt().to(features.dtype)
    return mean_D.to(features.dtype), std_D.clamp_min(torch.finfo(features.dtype).tiny)


def row_sums(x_BR: Tensor) -> Tensor:
    """Returns the sum of each row (B,): a few columns at a time in their own precision, these sums in double."""
    whole = x_BR.shape[1] // FEW_COLUMNS * FEW_COLUMNS
    partial = x_BR[:, :whole].reshape(len(x_BR), whole // FEW_COLUMNS, FEW_COLUMNS).sum(dim=2)
    sums_B: Tensor = partial.sum(dim=1, dtype=torch.float64) + x_BR[:, whole:].sum(dim=1, dtype=torch.float64)
    return sums_B
