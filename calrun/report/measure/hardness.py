"""How hard rows are, in the bins of Wen et al. 2024, Sec. 4.1 (ImageNet) and App. G (CIFAR-10).

Dimension key: N rows.
"""

from collections.abc import Mapping, Sequence

import numpy as np

IMAGENET_MEANS = (0.25, 0.5, 0.75)  # of p(true class): very hard below the first, easy from the last on
CIFAR10_SPREADS = (0.05, 0.10, 0.15)  # standard deviations: easy below the first, very hard from the last on
BY_MEAN = ("very hard", "hard", "medium", "easy")
BY_SPREAD = ("easy", "medium", "hard", "very hard")


def binned(values_N: np.ndarray, edges: Sequence[float], names: Sequence[str]) -> Mapping[str, np.ndarray]:
    """Returns the rows in each bin; a value on an edge is in the upper one."""
    of_N = np.digitize(values_N, edges)
    return {name: np.flatnonzero(of_N == number) for number, name in enumerate(names)}
