"""Points that are Kronecker products of factors, read chunk by chunk.

<a1 x a2, b1 x b2> = <a1, b1> <a2, b2>, so squared distances need the factors only: a feature row is one factor, a
gradient embedding (Ash et al. 2020, Sec. 3) is two, and nothing of size N x C*D or N x N ever exists.

Dimension key: N rows, B rows of a chunk, M centres, F features of one factor.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.kernel.memory import chunk_rows, limit_bytes
from calrun.parallel.helpers import Lent, num_helpers

MAX_BLOCK = 4096  # most rows of a chunk, so that it and its products stay near the caches
SAMPLE = 4096  # rows whose mean is close enough for centring
MAX_CENTRES = 1024  # columns of one product
MANTISSA = 2048  # centring vectors keep 11 bits, so that whole-numbered features stay exact
LEAST_CENTRES = 512  # passed to before other processes take a share: sending them rows costs as much as these
LEAST_WORK = 1 << 27  # multiplications of such a pass, so that it takes longer than the messages
ROUNDING = 16  # squared distances, in machine epsilons, that the formula cannot tell from zero


@dataclass(frozen=True)
class Factor:
    """One (N, F) matrix, wherever it is stored, read in single precision (or in double, if it is stored so).

    Args:
        store_NF: the matrix; a memory map in half precision is fine, since chunks are converted when they are read.
        transform: what to do to each converted chunk; `None` leaves it as it is.
    """

    store_NF: Tensor
    transform: Callable[[Tensor], Tensor] | None = None

    def __len__(self) -> int:
        return len(self.store_NF)

    def __getitem__(self, index: slice | Tensor) -> Tensor:
        block_BF = self.store_NF[index].to(self.dtype)
        return block_BF if self.transform is None else self.transform(block_BF)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64 if self.store_NF.dtype == torch.float64 else torch.float32


class Chunk(NamedTuple):
    """Some points: their factors and their squared norms."""

    factors: tuple[Tensor, ...]
    norms_B: Tensor

    def select(self, index: slice | Tensor) -> "Chunk":
        return Chunk(tuple(factor_BF[index] for factor_BF in self.factors), self.norms_B[index])


class Points:
    """N points, their squared norms, and distances from all of them to a few.

    Args:
        factors: the Kronecker factors, one or two.
        chunk: maximum number of rows read at once.
    """

    def __init__(self, factors: Sequence[Factor], chunk: int) -> None:
        self.factors = tuple(factors)
        self.room = chunk
        self.chunk = max(1, min(chunk, MAX_BLOCK))
        self.device = self.factors[0].store_NF.device
        self.lent: Lent | None = None
        self.num_passed = 0  # centres
        self.norms_N = torch.empty(len(self), dtype=max_dtype(self.factors), device=self.device)
        for span in self.spans():
            self.norms_N[span] = squared_norms([factor[span] for factor in self.factors])

    def __len__(self) -> int:
        return len(self.factors[0])

    def spans(self) -> Iterator[slice]:
        """Yields the slices of consecutive chunks."""
        yield from spans(0, len(self), self.chunk)

    def in_memory(self, memory_gib: float | None) -> "Points":
        """Returns the same points; transforms are applied once, not in each pass, where the result fits the limit."""
        ready = copy(self)
        ready.factors = tuple(in_memory(factor, memory_gib) for factor in self.factors)
        return ready

    def block(self, index: slice | Tensor) -> Chunk:
        return Chunk(tuple(factor[index] for factor in self.factors), self.norms_N[index])

    def fold(self, nearest_N: Tensor, centres: Chunk) -> None:
        """Lowers each squared distance in `nearest_N` to that of the nearest centre, if that is smaller."""
        if not len(centres.norms_B):
            return
        if self._is_shared(len(centres.norms_B)):
            self.lent = self.lent or Lent(lambda span: flat(self.block(span)), [*self.spans()])
            whole = Chunk(tuple(factor_MF.clone() for factor_MF in centres.factors), centres.norms_B.clone())
            found_N = self.lent.each(partial(nearest_flat, centres=whole))  # a view would travel with all behind it
            torch.minimum(nearest_N, found_N.to(self.device), out=nearest_N)
            return
        for span in self.spans():
            torch.minimum(nearest_N[span], nearest_of(self.block(span), centres), out=nearest_N[span])

    def _is_shared(self, num_centres: int) -> bool:
        """Tells whether processes that wait for this one take a share of a pass to some centres."""
        self.num_passed += num_centres
        if not num_helpers() or self.num_passed < LEAST_CENTRES or len(self) <= self.chunk:
            return False
        numbers = len(self) * sum(factor.store_NF.shape[1] for factor in self.factors)
        num_bytes = numbers * self.norms_N.itemsize / num_helpers()
        return num_centres * numbers >= LEAST_WORK and num_bytes <= limit_bytes(None, self.device)

    def nearest(self, centres: Chunk) -> Tensor:
        """Returns each point's squared distance to the nearest of the centres (N,), infinite if there are none."""
        nearest_N = torch.full_like(self.norms_N, torch.inf)
        self.fold(nearest_N, centres)
        return nearest_N


def spans(start: int, stop: int, step: int) -> Iterator[slice]:
    """Yields consecutive slices from `start` to `stop`, each at most `step` long."""
    for left in range(start, stop, step):
        yield slice(left, min(left + step, stop))


First = Callable[[Points, np.random.Generator], int]  # a rule for the first centre


def first_centre(
    points: Points, rng: np.random.Generator, start: First | Tensor, taken: float
) -> tuple[list[int], Tensor]:
    """Returns the first centre, if a rule chooses it, and the squared distances (N,) to the centres that there are.

    Args:
        points: what to choose from.
        rng: for the rule.
        start: the rule, or the squared distances to centres that exist already.
        taken: what stands for the distance of a centre that was chosen.
    """
    if isinstance(start, Tensor):
        return [], start.clone()
    picks = [start(points, rng)]
    nearest_N = points.nearest(points.block(torch.tensor(picks, device=points.device)))
    nearest_N[picks] = taken
    return picks, nearest_N


def distances(points: Chunk, centres: Chunk) -> Tensor:
    """Returns the (B, M) squared distances; those within rounding of zero are zero."""
    partial_BM = _without_own_norm(points, centres).add_(points.norms_B[:, None])
    return snap_(partial_BM, points.norms_B[:, None])


def nearest_distance(points: Chunk, centres: Chunk) -> Tensor:
    """Returns the (B,) smallest squared distances to the centres; those within rounding of zero are zero."""
    nearest_B = _without_own_norm(points, centres).amin(dim=1).add_(points.norms_B)
    return snap_(nearest_B, points.norms_B)


def nearest_of(points: Chunk, centres: Chunk) -> Tensor:
    """Returns the same (B,) for any number of centres, a few of them at a time and in full precision."""
    spans_M = spans(0, len(centres.norms_B), MAX_CENTRES)
    with full_precision():
        first, *others = (nearest_distance(points, centres.select(span)) for span in spans_M)
        for nearest_B in others:
            torch.minimum(first, nearest_B, out=first)
    return first


def flat(chunk: Chunk) -> tuple[Tensor, ...]:
    """Returns the tensors of a chunk."""
    return (chunk.norms_B, *chunk.factors)


def nearest_flat(rows: tuple[Tensor, ...], centres: Chunk) -> Tensor:
    """Returns `nearest_of` the chunk that has these tensors."""
    norms_B, *factors = rows
    return nearest_of(Chunk(tuple(factors), norms_B), centres)


def snap_(squared: Tensor, norms: Tensor) -> Tensor:
    """Sets to zero, in place, the squared distances below the rounding error of |x|^2 + |y|^2 - 2<x, y>."""
    return squared.masked_fill_(squared <= ROUNDING * torch.finfo(squared.dtype).eps * norms, 0)


def _without_own_norm(points: Chunk, centres: Chunk) -> Tensor:
    """Returns |y|^2 - 2<x, y> for each point x and centre y."""
    x_BF, centre_MF = points.factors[0], centres.factors[0]
    if len(points.factors) == 1:
        return torch.addmm(centres.norms_B, x_BF, centre_MF.T, alpha=-2)
    product_BM = x_BF @ centre_MF.T
    for x_BG, centre_MG in zip(points.factors[1:], centres.factors[1:], strict=True):
        product_BM.mul_(x_BG @ centre_MG.T)
    return product_BM.mul_(-2).add_(centres.norms_B)


def squared_norms(factors: Sequence[Tensor]) -> Tensor:
    """Returns the squared norms of the products of the factors' rows."""
    norms_B = torch.ones((), dtype=factors[0].dtype, device=factors[0].device)
    for factor_BF in factors:
        norms_B = norms_B * (factor_BF * factor_BF).sum(dim=1)
    return norms_B


def max_dtype(factors: Sequence[Factor]) -> torch.dtype:
    return torch.float64 if any(factor.dtype == torch.float64 for factor in factors) else torch.float32


def rough_mean(factor: Factor) -> Tensor:
    """Returns the mean of evenly spaced rows, rounded to 11 bits: close enough for centring, and exact to subtract."""
    index = torch.arange(0, len(factor), max(1, len(factor) // SAMPLE), device=factor.store_NF.device)
    mean_F = factor[index].sum(dim=0, dtype=torch.float64) / max(len(index), 1)
    mantissa_F, exponent_F = torch.frexp(mean_F)
    return torch.ldexp((mantissa_F * MANTISSA).round() / MANTISSA, exponent_F).to(factor.dtype)


def feature_chunk(num_features: int, memory_gib: float | None, device: torch.device) -> int:
    """Returns how many rows of features fit into the limit, with their conversion and their products."""
    return chunk_rows(feature_bytes(num_features), memory_gib, device)


def feature_bytes(num_features: int) -> int:
    """Returns the bytes of a row of features, its conversion and its products."""
    return 4 * (2 * num_features + 2 * MAX_CENTRES)


def in_memory(factor: Factor, memory_gib: float | None) -> Factor:
    """Returns the factor with its transform applied, if the result fits into the limit, else as it is."""
    num_rows, num_columns = factor.store_NF.shape
    if num_rows * num_columns * factor.dtype.itemsize > limit_bytes(memory_gib, factor.store_NF.device):
        return factor
    ready_NF = torch.empty((num_rows, num_columns), dtype=factor.dtype, device=factor.store_NF.device)
    for span in spans(0, num_rows, MAX_BLOCK):
        ready_NF[span] = factor[span]
    return Factor(ready_NF)


def refuse_not_finite(norms_N: Tensor, rows: np.ndarray, what: str) -> None:
    """Raises a ValueError naming the first rows whose norm, and so one of whose values, is not finite."""
    finite_N = torch.isfinite(norms_N)
    if not finite_N.all():
        bad = np.sort(rows[~finite_N.cpu().numpy()])
        raise ValueError(
            f"{what} of {len(bad)} of {len(rows)} rows are not finite (first: {bad[:5].tolist()}); "
            "look for a diverged model or broken inputs"
        )


@contextmanager
def full_precision() -> Iterator[None]:
    """Keeps products and convolutions in full precision: differences of reduced-precision ones would cancel."""
    cudnn: Any = torch.backends.cudnn
    products, convolutions = torch.get_float32_matmul_precision(), cudnn.conv.fp32_precision
    torch.set_float32_matmul_precision("highest")
    cudnn.conv.fp32_precision = "ieee"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        cudnn.conv.fp32_precision = convolutions
