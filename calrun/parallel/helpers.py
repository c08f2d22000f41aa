"""The processes that wait for the first one of a run help it: each holds some rows, and takes its share of passes.

The first says what to do and the others do it, so that only the first has to decide anything: whatever it computes
alone needs no word about other processes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

Rows = tuple[Tensor, ...]
Held = dict[int, list[Rows]]  # what a helper keeps, by the number of what was lent
Task = Callable[[Held], Any]

alone: list[bool] = []  # not empty while the first process does something that the others do not take part in
_numbers = count()


def num_helpers() -> int:
    """Returns how many processes wait for this one."""
    return dist.get_world_size() - 1 if alone else 0


def tell(value: Any) -> None:
    """Ends the waiting of the others, with what they wait for."""
    _hand_out([(True, value)] * dist.get_world_size())


def help_first() -> Any:
    """Does what the first process asks for until it tells the value that this one waits for; returns that."""
    held: Held = {}
    while True:
        is_over, said = _hand_out(None)
        if is_over:
            return said
        dist.gather_object(said(held))


class Lent:
    """Chunks of rows, of which each helper holds some and this process the first ones.

    Args:
        chunk: returns the tensors (B, ...) of a chunk from its slice.
        spans: the slices of all chunks, in their order.
    """

    def __init__(self, chunk: Callable[[slice], Rows], spans: Sequence[slice]) -> None:
        self.number, size = next(_numbers), num_helpers() + 1
        ends = [-(-len(spans) * (one + 1) // size) for one in range(size)]
        self.chunk, self.parts = chunk, [spans[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        kinds = [_Kind(each.dtype, each.shape[1:], each.device) for each in chunk(slice(0, 0))]
        lengths = [[span.stop - span.start for span in part] for part in self.parts]
        _done([self._send, *(_Receive(self.number, kinds, each) for each in lengths[1:])])

    def each(self, make: Callable[[Rows], Tensor]) -> Tensor:
        """Returns what `make`, which must be of a module, returns for every chunk, one after the other, on the host."""
        parts = _done([partial(self._work, make), *[_Work(self.number, make)] * num_helpers()])
        return torch.cat([one for part in parts for one in part])

    def _send(self, held: Held) -> None:
        for rank, part in enumerate(self.parts[1:], start=1):
            for tensor in (tensor for span in part for tensor in self.chunk(span)):
                dist.send(tensor.cpu().contiguous(), rank)

    def _work(self, make: Callable[[Rows], Tensor], held: Held) -> list[Tensor]:
        return [make(self.chunk(span)).cpu() for span in self.parts[0]]


class _Kind(NamedTuple):
    """What a tensor of a chunk is, whatever the number of its rows."""

    dtype: torch.dtype
    shape: torch.Size
    device: torch.device

    def received(self, num_rows: int) -> Tensor:
        """Returns the rows that the first process sends."""
        tensor = torch.empty((num_rows, *self.shape), dtype=self.dtype)
        dist.recv(tensor, 0)
        return tensor.to(self.device)


@dataclass(frozen=True)
class _Receive:
    """A helper takes chunks of these lengths and keeps them."""

    number: int
    kinds: list[_Kind]
    lengths: list[int]

    def __call__(self, held: Held) -> None:
        held[self.number] = [tuple(kind.received(length) for kind in self.kinds) for length in self.lengths]


@dataclass(frozen=True)
class _Work:
    """A helper does something with each of the chunks that it keeps."""

    number: int
    make: Callable[[Rows], Tensor]

    def __call__(self, held: Held) -> list[Tensor]:
        return [self.make(rows).cpu() for rows in held[self.number]]


def _done(tasks: Sequence[Task]) -> list[Any]:
    """Has each process do one task, this one the first; returns what they return."""
    _hand_out([(False, task) for task in [None, *tasks[1:]]])
    answers: list[Any] = [None] * len(tasks)
    dist.gather_object(tasks[0]({}), answers)
    return answers


def _hand_out(messages: Sequence[tuple[bool, Any]] | None) -> tuple[bool, Any]:
    """Gives each process its message; returns this one's."""
    mine: list[Any] = [None]
    dist.scatter_object_list(mine, None if messages is None else [*messages])
    message: tuple[bool, Any] = mine[0]
    return message
