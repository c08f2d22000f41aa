"""Layers one after another, whose names do not depend on whether there is dropout between them."""

from collections import OrderedDict
from collections.abc import Iterable

from torch import nn

DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d)


def numbered(layers: Iterable[nn.Module]) -> nn.Sequential:
    """Returns layers one after another, named by their numbers among those that are no dropout.

    A checkpoint that was written without dropout so fits the same network with it, and the reverse: dropout has no
    weights, and is named after the layer before it.
    """
    named, number = OrderedDict[str, nn.Module](), 0
    for layer in layers:
        drops = isinstance(layer, DROPOUT)
        named[f"dropout_{number - 1}" if drops else str(number)] = layer
        number += not drops
    return nn.Sequential(named)
