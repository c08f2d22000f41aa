"""A multilayer perceptron on flattened inputs: for feature vectors, and for runs where only the loop is of interest."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import nn

from calrun.model.adapt.numbered import numbered
from calrun.model.base import Classifier


def mlp(num_classes: int, input_shape: tuple[int, ...], hidden: Sequence[int], dropout: float) -> Classifier:
    """Returns a perceptron of linear layers, each followed by ReLU and dropout.

    Args:
        num_classes: C.
        input_shape: any shape; it is flattened.
        hidden: units of the hidden layers; the last one is the number of features.
        dropout: probability of dropping a hidden unit; 0 adds no dropout layer.

    Raises:
        ValueError: if there is no hidden layer, or one without units.
    """
    if not hidden or min(hidden) < 1:
        raise ValueError(
            f"model=mlp wants at least one hidden layer of at least one unit, but hidden is {list(hidden)}; "
            "set model.hidden=[64], say"
        )
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise([prod(input_shape), *hidden]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        layers += [nn.Dropout(dropout)] if dropout > 0 else []
    return Classifier(numbered(layers), hidden[-1], num_classes)
