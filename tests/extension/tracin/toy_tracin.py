"""Passes over the whole pool at the end of every epoch and sums the squared gradient of the head up."""

import numpy as np
import torch
from torch import Tensor

from calrun.acquisition.base import Acquisition, Candidates
from calrun.look.columns import Column, given
from calrun.look.predict import Seen
from calrun.model.base import Classifier
from calrun.part.part import Part
from calrun.part.piece import Look
from calrun.part.setup import Setup
from calrun.round import Round


def influence(seen: Seen) -> Tensor:
    """The squared gradient of the head under each row's own pseudo-label."""
    probs_BC = seen.output.logits_BC.softmax(1)
    one_hot_BC = torch.nn.functional.one_hot(probs_BC.argmax(1), probs_BC.shape[1])
    return (probs_BC - one_hot_BC).square().sum(1) * seen.output.features_BD.square().sum(1)


class Influence(Part):
    def build(self, net: Classifier, setup: Setup) -> None:
        self.rows = np.arange(len(setup.train))
        self.register_buffer("sum_N", torch.zeros(len(self.rows)))
        self.register_buffer("epochs", torch.zeros(()))

    def begin_round(self, this_round: Round) -> None:
        self.sum_N.zero_()
        self.epochs.zero_()

    def after_epoch(self, look: Look, phase: int, epoch: int) -> None:
        self.sum_N += look(self.rows, {"influence": influence})["influence"].to(self.sum_N)
        self.epochs += 1


class MostInfluential(Acquisition):
    needs = frozenset({"influence"})

    def __init__(self) -> None:
        self.part = Influence()

    def parts(self) -> dict[str, Part]:
        return {"influence": self.part}

    def columns(self) -> dict[str, Column]:
        def made(view):
            return self.part.sum_N[torch.from_numpy(view.rows)].cpu()

        return {"influence": given("influence", made, lambda sizes: 4 * sizes.candidates, "candidates")}

    def notes(self) -> dict[str, float]:
        return {"epochs_seen": float(self.part.epochs)}

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        order = candidates.column("influence").sort(descending=True, stable=True).indices
        return candidates.rows[order[:budget].numpy()]
