"""What the loop knows of a training method. What it trains, and with how many networks, is its own affair."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from calrun.acquisition.base import Acquisition, Candidates
from calrun.model.base import Classifier
from calrun.part.part import Part
from calrun.part.setup import FitResult, FitWork, Setup, Work
from calrun.round import Round

if TYPE_CHECKING:
    from calrun.method.composed import Composed

Fit = Callable[["Composed", Round], FitResult]  # all phases of one network in one round


class Method(ABC):
    """Trains, round after round; looks at the candidates; is evaluated.

    `work` counts what the round under way has cost.
    """

    setup_: Setup
    work: Work

    @abstractmethod
    def attach(self, parts: Mapping[str, Part], keeps_previous: bool) -> None:
        """Takes the parts that an acquisition asks for, and whether it looks at the network of the round before."""

    @abstractmethod
    def begin_round(self, this_round: Round) -> None:
        """Sets weights and everything else that holds for one round; the labels bought for it are there."""

    @abstractmethod
    def train_round(self, fit: Fit, this_round: Round) -> FitResult:
        """Trains whatever this round needs."""

    @abstractmethod
    def evaluated(self) -> Classifier:
        """Returns the network that the test sets are shown to."""

    @abstractmethod
    def candidates(self, acquisition: Acquisition, this_round: Round) -> Candidates:
        """Returns the unlabelled rows through the trained eyes of this method."""

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
        """Returns what the round's line should say of the method itself."""
        return {}

    def problems(self, sizes: Sequence[int], input_shape: Sequence[int]) -> list[str]:
        """Returns one sentence for each thing that cannot work with this budget."""
        return []

    def planned(self, this_round: Round) -> FitWork:
        """Returns what the fits of a round will take, whatever rows will be chosen."""
        return FitWork()
