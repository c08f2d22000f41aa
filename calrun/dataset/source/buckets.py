"""Length buckets: the rows of an epoch exchanged between its steps, so that rows of like length share a batch.

Dimension key: M current rows of all steps.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from calrun.dataset.base import StepRows
from calrun.rng import numpy_rng


def refuse_buckets(buckets: int | None, pad_to: int | None) -> None:
    """Raises a ValueError if a number of buckets is none, or could have no effect."""
    if buckets is None:
        return
    if buckets < 2:
        raise ValueError(f"dataset.length_buckets wants 2 batches or more to sort together, or null, got {buckets}")
    if pad_to is not None:
        raise ValueError(
            f"dataset.length_buckets={buckets} saves no padding where dataset.pad_to={pad_to} pads every batch alike; "
            "set one of them to null"
        )


def by_length(steps: Sequence[StepRows], offsets: np.ndarray, buckets: int, seed: int) -> np.ndarray:
    """Returns the positions of the current rows of all steps (M,) in the order in which the steps take them.

    Each `buckets` steps that follow one another sort their rows by length and share them out, to each as many as it
    had, in an order that the seed draws. Replayed rows stay where they are.

    Args:
        steps: of an epoch.
        offsets: where each row begins, and where the last one ends.
        buckets: steps that are sorted together.
        seed: of the epoch.
    """
    sizes = np.array([len(step.current) for step in steps])
    rows_M = np.concatenate([step.current for step in steps])
    lengths_M, ends = offsets[rows_M + 1] - offsets[rows_M], np.cumsum(sizes)
    order_M = np.empty_like(rows_M)
    for number, first in enumerate(range(0, len(steps), buckets)):
        own = sizes[first : first + buckets]
        begin = ends[first] - sizes[first]
        window = slice(begin, begin + own.sum())
        ordered = begin + np.lexsort((rows_M[window], lengths_M[window]))
        drawn = numpy_rng(seed, number, "length buckets").permutation(len(own))
        shares: list[np.ndarray] = [np.empty(0)] * len(own)
        for step, (start, end) in zip(drawn, pairwise([0, *np.cumsum(own[drawn])]), strict=True):
            shares[step] = ordered[start:end]
        order_M[window] = np.concatenate(shares)
    return order_M
