"""What a selection takes, said before it runs: arithmetic, memory traffic and the most memory held at once.

Dimension key: N candidates, L labelled rows, V validation rows, C classes, D features, K Monte-Carlo samples.
"""

from dataclasses import dataclass, replace
from math import ceil, prod

import torch

FLOAT = 4  # bytes of a number in single precision


@dataclass(frozen=True)
class Sizes:
    """What a selection starts from.

    Args:
        candidates: N.
        labelled: L.
        classes: C.
        features: D, before the head.
        budget: rows to choose.
        mc_samples: K, the acquisition's own.
        validation: V, 0 without a validation split.
        input_shape: shape of one x.
        forward_flops: what one row costs on its way through the network.
        activation_bytes: what one row leaves in the network's layers.
        device: where the columns will be; none is the host.
    """

    candidates: int
    labelled: int
    classes: int
    features: int
    budget: int
    mc_samples: int = 0
    validation: int = 0
    input_shape: tuple[int, ...] = ()
    forward_flops: float = 0.0
    activation_bytes: float = 0.0
    device: torch.device | None = None

    @property
    def bought(self) -> int:
        """Rows that the selection returns."""
        return min(self.budget, self.candidates)

    def with_budget(self, budget: float) -> "Sizes":
        return replace(self, budget=ceil(budget))

    def share(self, parts: int, labelled: int) -> "Sizes":
        """Returns one of `parts` equal parts of the candidates and of the budget, with some labelled rows."""
        return replace(
            self, candidates=ceil(self.candidates / parts), budget=ceil(self.bought / parts), labelled=labelled
        )


@dataclass(frozen=True)
class Cost:
    """Estimates of what a piece of work takes; a sum is one piece after the other.

    Args:
        flops: multiplications and additions.
        bytes_read: bytes that move between the processor and its memory.
        bytes_peak: the most memory at once, beyond the columns that the work starts from.
        functions: exponentials and logarithms.
        calls: tensor operations that have to be started one after the other, however small.
        refusal: why the work would refuse to start.
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
        """Returns the cost of doing it again and again, in the same memory."""
        return replace(
            self,
            flops=number * self.flops,
            bytes_read=number * self.bytes_read,
            functions=number * self.functions,
            calls=number * self.calls,
        )

    def holding(self, num_bytes: float) -> "Cost":
        """Returns the same with so many bytes held all the while."""
        return replace(self, bytes_peak=self.bytes_peak + num_bytes)


def input_bytes(sizes: Sizes) -> int:
    """Returns how large one x is."""
    return FLOAT * prod(sizes.input_shape)
