"""ACTINN (Ma and Pellegrini 2020, "automated identification of cell types"): a perceptron on gene expression."""

from itertools import pairwise
from math import prod

from torch import nn

from calrun.model.base import Classifier

HIDDEN = (100, 50, 25)


def actinn(num_classes: int, input_shape: tuple[int, ...]) -> Classifier:
    """Returns the published network: hidden layers of 100, 50 and 25 units with ReLU, Glorot weights, biases of 0.

    Differs from the paper: its penalty of 0.005 on the squared weights is the optimizer's weight decay here.

    Args:
        num_classes: C.
        input_shape: (number of genes,).
    """
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise([prod(input_shape), *HIDDEN]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    net = Classifier(nn.Sequential(*layers), HIDDEN[-1], num_classes)
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return net
