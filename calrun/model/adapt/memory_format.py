"""Which networks may keep their pictures channels-last: some make torch itself fail."""

import torch
from torch import nn

SAFE_CHANNELS = 16  # floats of one AVX-512 register


def safe_channels_last(net: nn.Module, device: torch.device) -> bool:
    """Tells whether a network can be trained channels-last on a device.

    Torch 2.15 (oneDNN) overwrites the heap of the process on a CPU with two threads or more in the backward pass of
    channels-last 1 x 1 convolutions of a stride above 1 whose input has fewer than 16 channels.
    """
    if device.type != torch.empty(0).device.type:
        return True
    return not any(
        isinstance(module, nn.Conv2d)
        and module.kernel_size == (1, 1)
        and max(module.stride) > 1
        and module.in_channels < SAFE_CHANNELS
        for module in net.modules()
    )
