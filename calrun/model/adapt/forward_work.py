"""What one row costs on its way through a network.

Dimension key: B batch.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from calrun.model.adapt.mode import in_mode


class ForwardWork(NamedTuple):
    """The work of one row: multiplications and additions of products and convolutions, and bytes put out by layers."""

    flops: float
    activation_bytes: float


def forward_work(net: nn.Module, x: Tensor, forward: Callable[[Tensor], Any] | None = None) -> ForwardWork:
    """Returns the work of a forward pass in evaluation mode for each row of x (B, ...); on `meta` nothing is computed.

    Args:
        net: its innermost modules are looked at.
        x: a batch.
        forward: what to call instead of the network itself.
    """
    num_bytes = [0.0]

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        num_bytes[0] += output.nbytes if isinstance(output, Tensor) else 0

    leaves = [module for module in net.modules() if not any(module.children())]
    handles = [module.register_forward_hook(note) for module in leaves]
    try:
        with in_mode(net, training=False), torch.no_grad(), FlopCounterMode(display=False) as counter:
            (forward or net)(x)
    finally:
        for handle in handles:
            handle.remove()
    return ForwardWork(counter.get_total_flops() / len(x), num_bytes[0] / len(x))
