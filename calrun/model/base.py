"""What every network returns, and the network that is a backbone and a linear head.

Dimension key: B batch, C classes, D features.
"""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn


class Output(NamedTuple):
    """What a network says of a batch: logits (B, C), penultimate features (B, D) and the taps that were asked for."""

    logits_BC: Tensor
    features_BD: Tensor
    taps: dict[str, Tensor]


class Classifier(nn.Module):
    """A backbone that gives flat features, and a linear head on them.

    Args:
        backbone: maps x (B, ...) to features (B, D).
        num_features: D.
        num_classes: C.
    """

    def __init__(self, backbone: nn.Module, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(num_features, num_classes)
        self._tap_names: tuple[str, ...] = ()
        self._taps: dict[str, Tensor] = {}

    def forward(self, x: Tensor) -> Output:
        self._taps.clear()
        features_BD = self.backbone(x)
        return Output(self.head(features_BD), features_BD, dict(self._taps) if self._tap_names else {})

    def tap(self, names: Sequence[str]) -> None:
        """Asks for the outputs of inner modules of the backbone, by dotted name, in every later `Output.taps`.

        Raises:
            ValueError: if a name is not a module of the backbone.
        """
        modules = dict(self.backbone.named_modules())
        for name in names:
            if name not in modules:
                raise ValueError(f"tap {name!r} is no module of the backbone; choose from {sorted(modules)[1:]}")
            if name not in self._tap_names:
                modules[name].register_forward_hook(lambda _m, _i, out, name=name: self._taps.__setitem__(name, out))
        self._tap_names = (*self._tap_names, *(name for name in names if name not in self._tap_names))
