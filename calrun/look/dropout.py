"""Monte-Carlo dropout with masks that all rows share, so that one mask is one sample of the network's weights.

Gal and Ghahramani 2016; consistent masks as BatchBALD (Kirsch et al. 2019, Sec. 3) needs them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

NO_DROPOUT = (
    "wants a network with dropout, but this model has none; raise model.dropout where a model has it (cnn, mlp), "
    "or choose another acquisition"
)
DIFFERENT = "wanted different ones; give the model dropout layers with p > 0 (and num_mc_samples >= 2)"
_CHANNELWISE = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


def dropout_modules(net: nn.Module) -> list[nn.Module]:
    """Returns the modules of `net` that drop something."""
    kinds = (nn.Dropout, *_CHANNELWISE)
    return [module for module in net.modules() if isinstance(module, kinds) and module.p > 0]


@contextmanager
def consistent_masks(net: nn.Module, seed: int) -> Iterator[None]:
    """Makes every dropout layer of a network in evaluation mode apply one mask, the same for all rows.

    No module changes its mode, so BatchNorm keeps its statistics.

    Raises:
        ValueError: if the network has no dropout.
    """
    modules = dropout_modules(net)
    if not modules:
        raise ValueError(f"Monte-Carlo dropout {NO_DROPOUT}")
    handles = [module.register_forward_hook(_MaskHook(seed + index)) for index, module in enumerate(modules)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _MaskHook:
    """Multiplies a dropout layer's output by a fixed mask, drawn when the shape is first seen."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.mask: Tensor | None = None

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if self.mask is None:
            shape = (
                output.shape[1:2] + (1,) * (output.dim() - 2) if isinstance(module, _CHANNELWISE) else output.shape[1:]
            )
            p = float(module.p)  # type: ignore[arg-type]
            generator = torch.Generator().manual_seed(self.seed)
            keep = torch.rand(shape, generator=generator) >= p
            self.mask = (keep.float() / (1 - p)).to(output)
        return output * self.mask
