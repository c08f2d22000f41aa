"""Measures BatchNorm's running statistics anew, for weights that no step has had (Izmailov et al. 2018, Sec. 3.2)."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from calrun.model.adapt.mode import in_mode


def renew_batch_norm(net: nn.Module, batches: Iterable[Tensor]) -> int:
    """Sets the statistics of each BatchNorm layer to their plain mean over batches; returns how many rows passed.

    Layers that keep no statistics stay as they are; without any other, nothing passes.

    Args:
        net: on the batches' device; its modes stay as they are.
        batches: x (B, ...), of training.
    """
    norms = [each for each in net.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]
    norms = [norm for norm in norms if norm.track_running_stats]
    if not norms:
        return 0
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for a plain mean
    num_rows = 0
    with in_mode(net, training=True), torch.no_grad():
        for x in batches:
            net(x)
            num_rows += len(x)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return num_rows
