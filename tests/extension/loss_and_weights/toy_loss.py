"""A loss on features with weights by row that are chosen anew every second epoch, and an average of weights."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from calrun.look.predict import Seen
from calrun.method.finish import Finish
from calrun.method.objective import Objective
from calrun.model.base import Classifier
from calrun.part.batch import Batch
from calrun.part.figures import EpochFigures
from calrun.part.piece import Look
from calrun.round import Round


def gradient_size(seen: Seen) -> Tensor:
    return (seen.output.logits_BC.softmax(1).amax(1) - 1).abs() * seen.output.features_BD.norm(dim=1)


class Matched(Objective):
    """Cross-entropy weighed by row, and a pull of features towards the origin."""

    def begin_round(self, this_round: Round) -> None:
        self.rows = this_round.pool.labelled
        self.weights_N = torch.ones(len(this_round.pool.round_of))

    def begin_epoch(self, look: Look, phase: int, epoch: int) -> None:
        if epoch % 2 == 0:
            sizes = look(self.rows, {"size": gradient_size})["size"]
            self.weights_N[torch.from_numpy(self.rows)] = sizes / sizes.mean()

    def __call__(self, current: Batch, replay: Batch | None) -> Tensor:
        losses_B = self.task.losses(current.logits, current.y)
        weights_B = self.weights_N[current.rows.cpu()].to(losses_B)
        return (weights_B * losses_B).mean() + 1e-3 * current.features.square().mean()

    def fit_state(self) -> dict[str, Any]:
        return {"weights_N": self.weights_N}

    def load_fit_state(self, state: dict[str, Any]) -> None:
        self.weights_N = state["weights_N"]


class Average(Finish):
    """The mean of the weights after the epochs of the second half."""

    def begin(self) -> None:
        self.sum: dict[str, Tensor] = {}
        self.count = 0

    def see(self, net: Classifier, history: Sequence[EpochFigures]) -> None:
        if len(history) < 3:
            return
        self.count += 1
        for name, tensor in net.state_dict().items():
            self.sum[name] = self.sum.get(name, 0) + tensor.detach().cpu().double()

    def end(self, net: Classifier, look: Look) -> None:
        if self.count:
            net.load_state_dict({name: total / self.count for name, total in self.sum.items()})

    def fit_state(self) -> dict[str, Any]:
        return {"sum": self.sum, "count": self.count}

    def load_fit_state(self, state: dict[str, Any]) -> None:
        self.sum, self.count = state["sum"], state["count"]
