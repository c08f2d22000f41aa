"""What a run gives its method, and what a method counts of its work."""

from collections.abc import Callable
from dataclasses import dataclass, field

from calrun.dataset.base import Source
from calrun.feature_store.base import FeatureStore
from calrun.feature_store.none import InMemory
from calrun.look.predict import Predictor
from calrun.method.fit.step_sizes import KEEP, LastBatch
from calrun.model.base import Classifier
from calrun.part.figures import EpochFigures
from calrun.task.base import Task

BACKWARD = 2  # work of a backward pass, in forward passes


@dataclass
class Setup:
    """What a run gives its method.

    Args:
        build_net: makes a network with new random weights.
        train: the rows to learn from.
        val: the validation split, for stopping rules that look at one; `None` if there is none.
        predictor: runs passes of the network outside a fit.
        task: what the network learns.
        num_classes: C.
        batch_size: m, the current rows of a step.
        scale: factor on numbers of epochs.
        channels_last: whether pictures and weights are kept channels-last.
        compile: whether training passes go through torch.compile.
        feature_store: gives the features of a network that does not change.
        first_phase: number of the first fit of a round among those of all networks that the round trains.
        last_batch: what becomes of the rows of an epoch that fill no step.
    """

    build_net: Callable[[], Classifier]
    train: Source
    val: Source | None
    predictor: Predictor
    task: Task
    num_classes: int
    batch_size: int
    scale: float = 1.0
    channels_last: bool = False
    compile: bool = False
    feature_store: FeatureStore = field(default_factory=InMemory)
    first_phase: int = 0
    last_batch: LastBatch = KEEP


@dataclass
class Work:
    """What a round has cost: optimizer steps and samples sent through the network, and how often it began again."""

    steps: int = 0
    epochs: int = 0
    samples_forward: int = 0
    samples_backward: int = 0
    restarts: int = 0


@dataclass(frozen=True)
class FitResult:
    """How a round's training went, stored targets included.

    `seconds` and `energy_kwh` count killed attempts up to the checkpoint they left.

    `energy_kwh` is NaN if it was not measured throughout; `warning` says what makes the result doubtful; `seconds_of`
    says of what the seconds are made, by name, where a method trains several networks.
    """

    stop_reason: str
    train_accuracy: float
    seconds: float
    energy_kwh: float
    epochs: list[EpochFigures]
    warning: str = ""
    seconds_of: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class FitWork:
    """What the fits of a round will take at most.

    Args:
        steps: optimizer steps of an epoch.
        samples: rows of an epoch, replayed candidates included.
        passes: passes of one row through the network in an epoch; a backward pass counts as two.
        epochs: maximum number of epochs, by the stopping rules.
        looks: rows that pass through in evaluation mode outside the epochs.
        stored_bytes: bytes of the targets that are stored by the end of the round.
        proxy: the work of another network that is trained to answer for the candidates; `None` without one.
        least_normalised: rows that the last step of an epoch sends through BatchNorm together, where it has fewer than
            half of the others; `None` elsewhere.
    """

    steps: int = 0
    samples: int = 0
    passes: int = 0
    epochs: int = 0
    looks: int = 0
    stored_bytes: int = 0
    proxy: "FitWork | None" = None
    least_normalised: int | None = None

    @property
    def total_epochs(self) -> int:
        """Epochs of all networks."""
        return self.epochs + (self.proxy.total_epochs if self.proxy else 0)

    @property
    def total_samples(self) -> int:
        """Rows of all epochs of all networks."""
        return self.samples * self.epochs + (self.proxy.total_samples if self.proxy else 0)
