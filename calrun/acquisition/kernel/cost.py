"""What a selection costs, estimated before it runs: arithmetic, memory traffic and the most memory held at once.

Dimension key: N candidates, L labelled rows, V validation rows, C classes, D features, K Monte-Carlo samples.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod

from calrun.look.columns import Column, column_bytes
from calrun.look.sizes import FLOAT, Sizes


@dataclass(frozen=True)
class Cost:
    """Estimates of what a piece of work takes; the sum of two costs is that of one piece after the other.

    Args:
        flops: multiplications and additions.
        bytes_read: bytes that move between the processor and its memory.
        bytes_peak: the most memory at once, beyond the columns that the work starts from.
        functions: exponentials and logarithms.
        calls: tensor operations that have to be started one after the other, however small.
        refusal: why the work would refuse to start; empty if it would not.
    """

    flops: float = 0.0
    bytes_read: float = 0.0
    bytes_peak: float = 0.0
    functions: float = 0.0
    calls: float = 0.0
    refusal: str = ""

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.flops + other.flops,
            self.bytes_read + other.bytes_read,
            max(self.bytes_peak, other.bytes_peak),
            self.functions + other.functions,
            self.calls + other.calls,
            self.refusal or other.refusal,
        )

    def times(self, number: float) -> "Cost":
        """Returns the cost of doing the work `number` times in the same memory."""
        return replace(
            self,
            flops=number * self.flops,
            bytes_read=number * self.bytes_read,
            functions=number * self.functions,
            calls=number * self.calls,
        )

    def holding(self, num_bytes: float) -> "Cost":
        """Returns the same cost with this many more bytes held throughout."""
        return replace(self, bytes_peak=self.bytes_peak + num_bytes)


def input_bytes(sizes: Sizes) -> int:
    """Returns the bytes of one x in single precision."""
    return FLOAT * prod(sizes.input_shape)


def one_pass(columns: Iterable[Column], sizes: Sizes) -> Cost:
    """Returns the cost of scoring each row in one pass over the columns, and of finding the best scores."""
    size = sum(column_bytes(columns, sizes).values())
    scores = 8.0 * sizes.candidates
    return Cost(size / FLOAT + sizes.candidates, size + 4 * scores, 4 * scores, calls=20)
