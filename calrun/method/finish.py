"""Which weights a fit ends with."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from calrun.model.base import Classifier
from calrun.part.figures import EpochFigures
from calrun.part.piece import Look, Piece


class Finish(Piece):
    """The last weights, as they are."""

    def begin(self) -> None:
        """Forgets the previous fit."""

    def steer(self, optimizer: Optimizer) -> None:
        """May change the learning rates of an epoch that begins; the schedule sets them anew after it."""

    def see(self, net: Classifier, history: Sequence[EpochFigures]) -> None:
        """Looks at the weights after an epoch; `history` ends with what that epoch has shown."""

    def end(self, net: Classifier, look: Look) -> None:
        """Puts the weights of the fit into the network."""

    def renews_batch_norm(self) -> bool:
        """Tells whether BatchNorm's statistics are measured anew on training batches, as no step had the weights."""
        return False


class Best(Finish):
    """The weights with the best validation accuracy; an equal one counts as better (Emam et al. 2021, code)."""

    def begin(self) -> None:
        self.weights: dict[str, Tensor] | None = None

    def see(self, net: Classifier, history: Sequence[EpochFigures]) -> None:
        accuracies = [figures.val_accuracy or 0.0 for figures in history]
        if accuracies[-1] == max(accuracies):
            self.weights = {name: tensor.detach().cpu().clone() for name, tensor in net.state_dict().items()}

    def end(self, net: Classifier, look: Look) -> None:
        if self.weights is not None:
            net.load_state_dict(self.weights)

    def fit_state(self) -> dict[str, Any]:
        return {"weights": self.weights}

    def load_fit_state(self, state: dict[str, Any]) -> None:
        self.weights = state["weights"]
