"""A linear head by least squares on one-hot classes with a penalty, in closed form (Hoerl and Kennard 1970).

The features never change, so that a round is one pass over its labelled rows and one linear system: the head beside
which acquisition=oracle_greedy stands, and the cheapest one to compare acquisitions with on stored features.

Dimension key: L labelled rows, C classes, D features and a constant one.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from calrun.acquisition.kernel.ridge import inputs, ridge_weights
from calrun.look.predict import features
from calrun.method.base import Fit
from calrun.method.composed import Composed
from calrun.part.part import Part
from calrun.part.setup import FitResult, FitWork
from calrun.round import Round


class Ridge(Composed):
    """Fits the head to all labelled rows at once; no step is taken, and no weight before the head changes.

    Args:
        ridge: lambda, also of the constant.
        pieces: those of a method that trains the head alone, such as linear_probe; only its start is used.
    """

    def __init__(self, ridge: float, **pieces: Any) -> None:
        if not 0 < ridge < float("inf"):
            raise ValueError(f"method.ridge wants a finite number above 0, got {ridge}")
        super().__init__(**pieces)
        self.ridge = ridge

    def attach(self, parts: Mapping[str, Part], keeps_previous: bool) -> None:
        if parts:
            raise ValueError(
                f"method=ridge takes no steps, in which {', '.join(parts)} would be trained or would watch; choose an "
                "acquisition that trains nothing, record.dynamics=false, or method=linear_probe"
            )
        super().attach(parts, keeps_previous)

    def train_round(self, fit: Fit, this_round: Round) -> FitResult:
        started = time.perf_counter()
        rows = this_round.pool.labelled
        x_LD = inputs(self.look(rows, {"features": features})["features"])
        targets_L = torch.from_numpy(this_round.pool.targets_of(rows)).long()
        weight_DC, _ = ridge_weights(x_LD, targets_L, self.setup_.num_classes, self.ridge)
        with torch.no_grad():
            self.net.head.weight.copy_(weight_DC[:-1].T)
            self.net.head.bias.copy_(weight_DC[-1])
        right_L = (x_LD @ weight_DC).argmax(dim=1) == targets_L
        seconds = time.perf_counter() - started
        return FitResult("closed form", float(right_L.double().mean()), seconds, float("nan"), epochs=[])

    def problems(self, sizes: Sequence[int], input_shape: Sequence[int]) -> list[str]:
        problems = self.start.problems(self.net)
        if self.setup_.train.targets.ndim > 1:
            problems.append("method=ridge fits one class for each row, but this data set has one for each pixel")
        return problems

    def planned(self, this_round: Round) -> FitWork:
        return FitWork(looks=len(this_round.pool.labelled))
