"""A head on inner activations of a backbone: which ones, how wide they are, and what becomes of them.

Yoo and Kweon 2019 (Learning Loss), Sec. 3.2, read the four stages of a ResNet: global average pooling, a linear layer
and ReLU for each, and one linear layer on all of them together. TiDAL and the reconstruction of DISAL use the same head
with one output for each class.

Differs from the paper: pooling is over whatever size a tap has; the authors' kernels of fixed size fit pictures of
32 pixels alone.

Dimension key: B batch, D features, O outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from calrun.model.adapt.mode import in_mode
from calrun.model.base import Classifier
from calrun.text.legal import at_least

if TYPE_CHECKING:
    from calrun.part.setup import Setup

STAGES = ("layer1", "layer2", "layer3", "layer4")  # of residual networks, here, in torchvision and in timm
MOST = len(STAGES)


@dataclass(frozen=True)
class TapHeadOptions:
    """How a head on taps is built.

    Args:
        taps: names of modules of the backbone; `None` finds up to four of them.
        hidden_width: outputs of the linear layer of each tap; 128 in the paper.
    """

    taps: Sequence[str] | None = None
    hidden_width: int = 128

    def __post_init__(self) -> None:
        at_least(1, "acquisition.head", hidden_width=self.hidden_width)
        if self.taps is not None and not self.taps:
            raise ValueError("acquisition.head.taps names no module, but a head wants one or more; name some, or null")

    def build(self, net: Classifier, setup: "Setup", num_outputs: int) -> "TapHead":
        """Returns a new head for a network, which is asked for the taps from now on.

        Raises:
            ValueError: if a tap is no module of the backbone, or gives something else than a tensor.
        """
        names = stages(net.backbone) if self.taps is None else tuple(map(str, self.taps))  # 0 is a number in YAML
        try:
            net.tap(names)
        except ValueError as error:
            raise ValueError(f"acquisition.head.taps: {error}") from error
        _, x = next(iter(setup.train.batches(np.zeros(1, dtype=np.int64), 1)))
        seen = seen_by(net, x.to(next(net.parameters()).device))
        if missing := [name for name in names if name not in seen]:
            raise ValueError(f"acquisition.head.taps {missing} are never called by the network; name others")
        along = any(isinstance(module, nn.Conv1d) for module in net.backbone.modules())
        widths = {name: pooled(seen[name], along).shape[1] for name in names}
        return TapHead(widths, self.hidden_width, num_outputs, along)


class TapHead(nn.Module):
    """Maps taps to O numbers for each row.

    Args:
        widths: channels of each tap, by name.
        hidden_width: as in `TapHeadOptions`.
        num_outputs: O.
        along: whether taps with three dimensions are (B, channels, positions) and not (B, positions, channels).
    """

    def __init__(self, widths: Mapping[str, int], hidden_width: int, num_outputs: int, along: bool = False) -> None:
        super().__init__()
        self.names, self.along = tuple(widths), along
        self.hidden = nn.ModuleList(nn.Linear(width, hidden_width) for width in widths.values())
        self.out = nn.Linear(hidden_width * len(widths), num_outputs)

    def forward(self, taps: Mapping[str, Tensor]) -> Tensor:
        pairs = zip(self.names, self.hidden, strict=True)
        hidden = [layer(pooled(taps[name], self.along)).relu() for name, layer in pairs]
        outputs_BO: Tensor = self.out(torch.cat(hidden, dim=1))
        return outputs_BO


def seen_by(net: Classifier, x: Tensor) -> dict[str, Tensor]:
    """Returns the taps of a network for x, in evaluation mode.

    Raises:
        ValueError: if a tap is no single tensor.
    """
    with in_mode(net, training=False), torch.no_grad():
        try:
            taps: dict[str, Tensor] = net(x).taps
        except AttributeError as error:  # of the hook that copies what a module gives
            raise ValueError(
                f"acquisition.head.taps: one of {list(net.tap_names)} gives no single tensor ({error}); name others"
            ) from error
    return taps


def pooled(tap: Tensor, along: bool = False) -> Tensor:
    """Returns the mean of each channel of a tap over its positions (B, channels).

    Args:
        tap: vectors (B, channels), tokens (B, positions, channels), or (B, channels, ...).
        along: whether three dimensions are (B, channels, positions).
    """
    if tap.dim() == 2:
        return tap
    return tap.mean(dim=1) if tap.dim() == 3 and not along else tap.flatten(start_dim=2).mean(dim=2)


def stages(backbone: nn.Module) -> tuple[str, ...]:
    """Returns names of up to four modules in the order of the backbone, the last of each quarter of its main chain.

    Four stages of residual networks are taken as they are. Otherwise the chain is the outermost and then longest
    sequence of modules; where all of them are single layers, its activations.

    Raises:
        ValueError: if the backbone holds no sequence of modules.
    """
    modules = dict(backbone.named_modules())
    if all(name in modules for name in STAGES):
        return STAGES
    chains = [(name, module) for name, module in modules.items() if isinstance(module, nn.Sequential | nn.ModuleList)]
    if not chains:
        raise ValueError(
            f"acquisition.head.taps: no stages were found in {type(backbone).__name__}; name up to four of its "
            f"modules: {sorted(modules)[1:]}"
        )
    prefix, chain = min(chains, key=lambda each: (each[0].count(".") + bool(each[0]), -len(each[1])))
    names = [name for name, _ in chain.named_children()]
    if not any(list(child.children()) for child in chain):
        activations = [name for name, child in chain.named_children() if is_activation(child)]
        names = activations or names
    whole = [f"{prefix}.{name}" if prefix else name for name in names]
    if len(whole) <= MOST:
        return tuple(whole)
    return tuple(whole[ceil((quarter + 1) * len(whole) / MOST) - 1] for quarter in range(MOST))


def is_activation(module: nn.Module) -> bool:
    """Tells whether a module is one of torch's activations."""
    return type(module).__module__ == nn.ReLU.__module__
