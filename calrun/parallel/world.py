"""The processes that play one run together, data-parallel: each computes its share of the rows.

All hold the whole network and play the same loop with the same random numbers. Only the first writes to the run folder,
selects rows and speaks; the others help it then (calrun/parallel/helpers.py). Where a run has one process, every
function here answers at once.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from calrun.parallel.helpers import alone, help_first, tell

Value = TypeVar("Value")


def is_together() -> bool:
    """Tells whether what this process does now is done by several."""
    return not alone and dist.is_available() and dist.is_initialized()


def size() -> int:
    """Returns how many processes play the run."""
    return dist.get_world_size() if is_together() else 1


def rank() -> int:
    """Returns the number of this process, from 0."""
    return dist.get_rank() if is_together() else 0


def is_first() -> bool:
    """Tells whether this is the process that writes, selects and speaks."""
    return rank() == 0


def wait() -> None:
    """Waits until all processes are here."""
    if is_together():
        dist.barrier()


def of_first(make: Callable[[], Value]) -> Value:
    """Returns what the first process makes; the others wait for it, and help where it asks for it."""
    if not is_together():
        return make()
    if not is_first():
        told: Value = help_first()
        return told
    alone.append(True)
    try:
        value = make()
    finally:
        alone.pop()
    tell(value)
    return value


def said_by_any(message: str) -> str:
    """Returns the first of the messages that processes have, the same in all of them; empty if there is none."""
    if not is_together():
        return message
    messages = [""] * size()
    dist.all_gather_object(messages, message)
    return next(filter(None, messages), "")


def shares(num_rows: int, multiple: int = 1) -> list[int]:
    """Returns how many consecutive rows each process takes, the first ones most, in multiples of `multiple`.

    With the rows of one forward pass as `multiple`, every pass has the rows that it would have in one process.
    """
    blocks = -(-num_rows // multiple)
    ends = [min(num_rows, multiple * -(-blocks * (number + 1) // size())) for number in range(size())]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def own(parts: list[int]) -> slice:
    """Returns which of all rows are this process's."""
    start = sum(parts[: rank()])
    return slice(start, start + parts[rank()])


class _Gathered(torch.autograd.Function):
    """All rows from every process's own; backward, each process keeps the gradient of its own rows.

    Every process goes on to compute the same loss from the same rows, so that nothing is to be added up here; what is
    added up are the gradients of the weights, each of which comes from one share.
    """

    @staticmethod
    def forward(ctx: Any, mine: Tensor, parts: list[int]) -> Tensor:
        ctx.own = own(parts)
        longest = mine.new_zeros((max(parts), *mine.shape[1:]))
        longest[: len(mine)] = mine
        found = [torch.empty_like(longest) for _ in parts]
        dist.all_gather(found, longest.contiguous())
        return torch.cat([part[:length] for part, length in zip(found, parts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0][ctx.own], None


class _Repeated(torch.autograd.Function):
    """Rows that every process has computed whole; backward, each takes its part of their gradient."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        return rows.view_as(rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0] / size()


def repeated(rows: Tensor) -> Tensor:
    """Returns rows that every process has computed: the sum of their gradients is that of one process."""
    same: Tensor = _Repeated.apply(rows)
    return same


def gathered(mine: Tensor, parts: list[int]) -> Tensor:
    """Returns the rows of all processes (N, ...) from this one's (n, ...); differentiable.

    Args:
        mine: this process's rows; of the same kind in all processes.
        parts: how many rows each process has.
    """
    rows: Tensor = _Gathered.apply(mine, parts)
    return rows


def gathered_column(mine: Tensor | None, parts: list[int]) -> Tensor:
    """Returns a column on the host from every process's rows of it; a process without rows passes `None`."""
    kind = of_first(lambda: None if mine is None else (mine.dtype, mine.shape[1:]))
    if kind is None:  # the first process has rows if any has
        raise ValueError("no process has a row of this column")
    dtype, shape = kind
    return gathered(torch.empty((0, *shape), dtype=dtype) if mine is None else mine, parts)


def sum_gradients(parameters: Iterable[Tensor]) -> None:
    """Adds up the gradients of all processes, in one message for each kind of number."""
    by_kind: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for parameter in parameters:
        if parameter.grad is not None:
            by_kind.setdefault((parameter.grad.dtype, parameter.grad.device), []).append(parameter.grad)
    for gradients in by_kind.values():
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        for gradient, part in zip(
            gradients, torch.split(flat, [gradient.numel() for gradient in gradients]), strict=True
        ):
            gradient.copy_(part.view_as(gradient))


def like_first(tensors: Iterable[Tensor]) -> None:
    """Gives tensors the values that they have in the first process, such as BatchNorm's statistics."""
    if is_together():
        for tensor in tensors:
            dist.broadcast(tensor, 0)
