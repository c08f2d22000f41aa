"""What the loop knows of a training method, which alone knows what it trains and with how many networks."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from calrun.acquisition.base import Acquisition, Candidates
from calrun.model.base import Classifier
from calrun.part.part import Part
from calrun.part.setup import FitResult, FitWork, Setup, Work
from calrun.round import Round

Fit = Callable[[Any, Round], FitResult]  # runs all phases of one round, of a method that trains one network


class Method(ABC):
    """Trains in every round, looks at the candidates, and gives the network that is evaluated.

    `work` counts what the current round has cost so far. A method that asks `Setup.feature_store` itself says so by
    `reads_features`; for any other, a store that is in the fit takes the place of the data set.
    """

    reads_features: bool = False

    setup_: Setup
    work: Work

    @abstractmethod
    def attach(self, parts: Mapping[str, Part], keeps_previous: bool) -> None:
        """Takes the parts that an acquisition asks for.

        Args:
            parts: modules that train beside the network or watch it, by name.
            keeps_previous: whether the acquisition looks at the network of the round before.
        """

    @abstractmethod
    def begin_round(self, this_round: Round) -> None:
        """Sets the weights and everything else that belongs to one round, whose labels have been bought."""

    @abstractmethod
    def train_round(self, fit: Fit, this_round: Round) -> FitResult:
        """Trains whatever this round needs."""

    @abstractmethod
    def evaluated(self) -> Classifier:
        """Returns the network that is evaluated on the test sets."""

    def is_evaluated(self) -> bool:
        """Tells whether that network belongs to the current round, whose line has no metrics otherwise."""
        return True

    def is_evaluated_each_round(self) -> bool:
        """Tells whether every round has metrics."""
        return True

    def answering(self) -> Classifier:
        """Returns the network through which `candidates` sees the rows: the evaluated one, unless a proxy answers."""
        return self.evaluated()

    @abstractmethod
    def candidates(self, acquisition: Acquisition, this_round: Round) -> Candidates:
        """Returns the unlabelled rows as the trained method sees them."""

    @abstractmethod
    def initial_candidates(self, acquisition: Acquisition, before: Round) -> Candidates:
        """Returns all rows as they look before anything is trained."""

    @abstractmethod
    def carried(self) -> dict[str, Any]:
        """Returns what the next round needs: dictionaries of tensors and plain values."""

    @abstractmethod
    def restore(self, carried: dict[str, Any]) -> None:
        """Takes back what `carried` returned."""

    def notes(self) -> dict[str, float]:
        """Returns what the round's line should say about the method itself."""
        return {}

    def problems(self, sizes: Sequence[int], input_shape: Sequence[int]) -> list[str]:
        """Returns one sentence for each thing that cannot work with this budget."""
        return []

    def first_net(self, seed: int) -> Classifier:
        """Returns the network with which a run begins, under random weights of a seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.setup_.build_net()

    def moves_backbone(self) -> list[str]:
        """Returns why stored features of a backbone cannot stand for it: a clause for each piece that changes it."""
        return [f"{type(self).__name__} trains in its own way"]

    def wants_weights(self, where: str = "method") -> list[str]:
        """Returns the options that would give it the pre-trained weights that it is made for and was not given.

        Args:
            where: the key that it stands below.
        """
        return []

    def looking(self, number: int) -> tuple[Classifier, Setup] | None:
        """Returns the network through which the choice after a round looks, and what gives it rows, for a plan.

        Args:
            number: of the round; 0 is the choice of the initial rows.

        Returns:
            `None` if the choice looks at features as they are stored, which no network passes.
        """
        return self.answering(), self.setup_

    def planned(self, this_round: Round) -> FitWork:
        """Returns the work that the fits of a round will take, whichever rows are chosen."""
        return FitWork()
