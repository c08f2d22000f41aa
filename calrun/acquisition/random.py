"""Random sampling, the baseline of every study.

Dimension key: N candidates.
"""

import numpy as np

from calrun.acquisition.base import Acquisition, Candidates


class RandomRows(Acquisition):
    """Draws rows uniformly without replacement; a larger budget with the same seed extends a smaller one."""

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        rows = np.sort(candidates.rows)  # the draw depends on the set of candidates, not on their order
        return rows[rng.permutation(len(rows))[: max(budget, 0)]].astype(np.int64)
