"""A running mean of each row's predicted probabilities, a head that learns it, and an acquisition that reads both."""

import numpy as np
import torch
from torch import Tensor, nn

from calrun.acquisition.base import Acquisition, Candidates
from calrun.look.columns import Column, given, per_row
from calrun.look.predict import Seen
from calrun.model.base import Classifier
from calrun.part.batch import Batch
from calrun.part.part import Part
from calrun.part.setup import Setup
from calrun.round import Round


class Recorder(Part):
    """Keeps the mean of what a fit has predicted of each row so far."""

    def build(self, net: Classifier, setup: Setup) -> None:
        self.register_buffer("mean_NC", torch.zeros(len(setup.train), setup.num_classes))
        self.register_buffer("count_N", torch.zeros(len(setup.train)))

    def begin_round(self, this_round: Round) -> None:
        self.mean_NC.zero_()
        self.count_N.zero_()

    def after_step(self, current: Batch, replay: Batch | None) -> None:
        probs_BC, rows = current.logits.detach().float().softmax(1), current.rows
        self.count_N[rows] += 1
        self.mean_NC[rows] += (probs_BC - self.mean_NC[rows]) / self.count_N[rows][:, None]


class DynamicHead(Part):
    """Predicts the recorded mean from the features."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorded = [recorder]  # in a list: the recorder is a part of its own

    def build(self, net: Classifier, setup: Setup) -> None:
        self.head = nn.Linear(net.head.in_features, setup.num_classes)

    def loss(self, current: Batch, replay: Batch | None) -> Tensor | None:
        wanted_BC = self.recorded[0].mean_NC[current.rows]
        return nn.functional.kl_div(self.head(current.features).log_softmax(1), wanted_BC, reduction="batchmean")


class Dynamics(Acquisition):
    """Takes the rows whose predicted dynamics are most uncertain."""

    needs = frozenset({"dynamics", "labelled_dynamics"})

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.head = DynamicHead(self.recorder)
        self.seen_share = 0.0

    def parts(self) -> dict[str, Part]:
        return {"recorder": self.recorder, "dynamic_head": self.head}

    def columns(self) -> dict[str, Column]:
        recorded = given(
            "labelled_dynamics",
            lambda view: self.recorder.mean_NC[torch.from_numpy(view.labelled)].cpu(),
            lambda sizes: 4 * sizes.labelled * sizes.classes,
            "labelled",
        )
        return {"dynamics": per_row("dynamics", self._of, lambda sizes: sizes.classes), "labelled_dynamics": recorded}

    def _of(self, seen: Seen) -> Tensor:
        return self.head.head(seen.output.features_BD).softmax(1)

    def notes(self) -> dict[str, float]:
        return {"recorded_mass": self.seen_share}

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
        self.seen_share = float(candidates.column("labelled_dynamics").sum(1).mean())
        entropy_N = torch.special.entr(candidates.column("dynamics")).sum(1)
        return candidates.rows[entropy_N.sort(descending=True, stable=True).indices[:budget].numpy()]
