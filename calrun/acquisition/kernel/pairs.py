"""Starting points that look at all pairs, chunk against chunk: quadratic time, never quadratic memory.

Dimension key: N rows, B rows of a chunk.
"""

import numpy as np
import torch

from calrun.acquisition.kernel import kernel_cost
from calrun.acquisition.kernel.cost import Cost
from calrun.acquisition.kernel.factors import MAX_CENTRES, Points, distances, full_precision, spans

MOST_ROWS = 200_000  # all pairs of more rows take hours


def medoid_1center(points: Points, rng: np.random.Generator) -> int:
    """Returns the point whose greatest distance to any other is smallest, the first of several.

    Raises:
        ValueError: if there are too many points for all pairs.
    """
    greatest_N = _greatest_distances(points, "medoid1center")
    return int(greatest_N.argmin())


def farthest_pair(points: Points, rng: np.random.Generator) -> int:
    """Returns the first of the two points that lie farthest apart.

    Raises:
        ValueError: if there are too many points for all pairs.
    """
    greatest_N = _greatest_distances(points, "farthest_pair")
    return int(greatest_N.argmax())


def nearest_to_mean(points: Points, rng: np.random.Generator) -> int:
    """Returns the point with the least sum of squared distances to all others, which is the nearest to the mean."""
    factor = points.factors[0]
    total_F = torch.stack([factor[span].sum(dim=0, dtype=torch.float64) for span in points.spans()]).sum(dim=0)
    mean_F = (total_F / len(points)).to(points.norms_N)
    with full_precision():
        shifted = [points.norms_N[span] - 2 * factor[span] @ mean_F for span in points.spans()]
    return int(torch.cat(shifted).argmin())


def _greatest_distances(points: Points, what: str) -> torch.Tensor:
    if refusal := too_many(len(points), what):
        raise ValueError(refusal)
    greatest_N = torch.zeros_like(points.norms_N)
    with full_precision():
        for span in points.spans():
            block = points.block(span)
            for other in spans(0, len(points), MAX_CENTRES):
                part = distances(block, points.block(other)).amax(dim=1)
                torch.maximum(greatest_N[span], part, out=greatest_N[span])
    return greatest_N


def pairs_cost(num_rows: int, width: int, what: str = "medoid1center") -> Cost:
    """Returns the cost of a start that looks at all pairs."""
    return kernel_cost.fold(num_rows, num_rows, width) + Cost(refusal=too_many(num_rows, what))


def too_many(num_rows: int, what: str) -> str:
    """Returns why this many rows are refused, or an empty text."""
    if num_rows <= MOST_ROWS:
        return ""
    return f"{what} compares all pairs of {num_rows} rows, wanted at most {MOST_ROWS}; start at random instead"
