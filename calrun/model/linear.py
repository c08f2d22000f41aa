"""A linear classifier (softmax regression) on inputs that are features already.

Dimension key: C classes.
"""

from math import prod

from torch import nn

from calrun.model.base import Classifier


def linear(num_classes: int, input_shape: tuple[int, ...]) -> Classifier:
    """Returns a head on the inputs themselves.

    Args:
        num_classes: C.
        input_shape: any shape; it is flattened.
    """
    return Classifier(nn.Sequential(nn.Flatten()), prod(input_shape), num_classes)
