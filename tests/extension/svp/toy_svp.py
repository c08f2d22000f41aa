"""A small network on cached features answers for the candidates; the whole network is trained to be evaluated.

A gate looks at the labels that have just arrived: where the small network was wrong too often on them, the whole one
answers from then on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from calrun.acquisition.base import Acquisition, Candidates
from calrun.dataset.source.resident import Resident
from calrun.dataset.source.transform import Transform
from calrun.look.predict import features
from calrun.method.base import Fit, Method
from calrun.method.composed import Composed
from calrun.model.base import Classifier
from calrun.part.part import Part
from calrun.part.setup import FitResult, FitWork, Setup, Work
from calrun.round import Round


class Svp(Method):
    def __init__(
        self, small: Callable[..., Composed], whole: Callable[..., Composed], least_accuracy: float, setup: Setup
    ) -> None:
        self.setup_, self.least_accuracy = setup, least_accuracy
        self.whole = whole(setup=setup)
        cached = setup.predictor(self.whole.net, setup.train, np.arange(len(setup.train)), {"features": features})
        inputs = cached["features"]
        source = Resident(inputs, setup.train.targets, Transform([0.0], [1.0]))
        width = inputs.shape[1]
        own = replace(setup, build_net=lambda: Classifier(nn.Identity(), width, setup.num_classes), train=source)
        self.small = small(setup=own)
        self.answers_small, self.agreement, self.work = True, float("nan"), Work()

    def attach(self, parts: Mapping[str, Part], keeps_previous: bool) -> None:
        self.small.attach(parts, keeps_previous)

    def begin_round(self, this_round: Round) -> None:
        rows = this_round.current_rows
        if this_round.number > 1:  # the labels of the last choice have arrived
            predicted = self.small.look(rows)["logits"].argmax(1).numpy()
            self.agreement = float((predicted == this_round.pool.targets_of(rows)).mean())
            self.answers_small = self.answers_small and self.agreement >= self.least_accuracy
        for method, inner in self._rounds(this_round):
            method.begin_round(inner)

    def train_round(self, fit: Fit, this_round: Round) -> FitResult:
        small, whole = (method.train_round(fit, inner) for method, inner in self._rounds(this_round))
        ours, theirs = asdict(self.small.work), asdict(self.whole.work)
        self.work = Work(**{name: ours[name] + theirs[name] for name in ours})
        return replace(whole, seconds=small.seconds + whole.seconds)

    def evaluated(self) -> Classifier:
        return self.whole.net

    def candidates(self, acquisition: Acquisition, this_round: Round) -> Candidates:
        return (self.small if self.answers_small else self.whole).candidates(acquisition, this_round)

    def initial_candidates(self, acquisition: Acquisition, before: Round) -> Candidates:
        return self.whole.initial_candidates(acquisition, before)

    def notes(self) -> dict[str, float]:
        return {"answers_small": float(self.answers_small)}

    def problems(self, sizes: Sequence[int], input_shape: Sequence[int]) -> list[str]:
        return self.whole.problems(sizes, input_shape)

    def planned(self, this_round: Round) -> FitWork:
        return self.whole.planned(this_round)

    def carried(self) -> dict[str, Any]:
        return {
            "small": self.small.carried(),
            "whole": self.whole.carried(),
            "gate": torch.tensor(float(self.answers_small)),
        }

    def restore(self, carried: dict[str, Any]) -> None:
        self.small.restore(carried["small"])
        self.whole.restore(carried["whole"])
        self.answers_small = bool(carried["gate"])

    def _rounds(self, this_round: Round) -> list[tuple[Composed, Round]]:
        """Each method with its own place for checkpoints."""
        return [
            (self.small, replace(this_round, folder=this_round.folder / "small")),
            (self.whole, replace(this_round, folder=this_round.folder / "whole")),
        ]
