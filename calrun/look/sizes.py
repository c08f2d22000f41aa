"""What a selection starts from, in numbers.

Dimension key: N candidates, L labelled rows, V validation rows, C classes, D features, K Monte-Carlo samples.
"""

from dataclasses import dataclass, replace
from math import ceil

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
        forward_flops: multiplications and additions of one row's forward pass.
        activation_bytes: bytes that the network's layers put out for one row.
        device: where the columns will be; `None` is the host.
        tokens: whether x holds tokens, through which no gradient passes.
        feature_bytes: of one feature; 2 where a linear network passes on what a store keeps in half precision.
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
    tokens: bool = False
    feature_bytes: int = FLOAT

    @property
    def bought(self) -> int:
        """Rows that the selection returns."""
        return min(self.budget, self.candidates)

    def with_budget(self, budget: float) -> "Sizes":
        return replace(self, budget=ceil(budget))

    def share(self, parts: int, labelled: int) -> "Sizes":
        """Returns one of `parts` equal parts of the candidates and of the budget, with `labelled` labelled rows."""
        return replace(
            self, candidates=ceil(self.candidates / parts), budget=ceil(self.bought / parts), labelled=labelled
        )
