"""What a run gives its method, and what a method counts of its work."""

from collections.abc import Callable
from dataclasses import dataclass

from calrun.dataset.base import Source
from calrun.model.base import Classifier
from calrun.predict import Predictor


@dataclass
class Setup:
    """What a run gives its method.

    Args:
        build_net: makes a network with new random weights.
        train: the rows to learn from.
        val: the validation split, for stopping rules that look at one.
        predictor: passes of the network outside a fit.
        batch_size: m.
        channels_last: whether pictures and weights are kept channels-last.
        compile: whether training passes go through torch.compile.
    """

    build_net: Callable[[], Classifier]
    train: Source
    val: Source | None
    predictor: Predictor
    batch_size: int
    channels_last: bool = False
    compile: bool = False


@dataclass
class Work:
    """What a round has cost: optimizer steps and samples sent through the network."""

    steps: int = 0
    epochs: int = 0
    samples_forward: int = 0
    samples_backward: int = 0
