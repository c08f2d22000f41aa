"""Training or evaluation mode for a while, after which every module gets its own mode back."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def in_mode(net: nn.Module, training: bool) -> Iterator[None]:
    """Puts all modules of a network in one mode; modules that had another (frozen BatchNorm) get it back."""
    modes = [(module, module.training) for module in net.modules()]
    net.train(training)
    try:
        yield
    finally:
        for module, was in modes:
            module.training = was
