"""Takes the rows on which this round's network differs most from the last one's."""

import numpy as np

from calrun.acquisition.base import Acquisition, Candidates


class Discrepancy(Acquisition):
    needs = frozenset({"logits", "previous_logits"})

    def __init__(self) -> None:
        self.mean = 0.0

    def notes(self) -> dict[str, float]:
        return {"mean_discrepancy": self.mean}

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        now, before = candidates.logits_NC.softmax(1), candidates.previous_logits_NC.softmax(1)
        score_N = (now - before).square().sum(1) / 2
        self.mean = float(score_N.mean())
        return candidates.rows[score_N.sort(descending=True, stable=True).indices[:budget].numpy()]
