"""What every network returns, and a network made of a backbone and a linear head.

Dimension key: B batch, C classes, D features.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor, nn


class Output(NamedTuple):
    """What a network returns for a batch: logits (B, C), penultimate features (B, D) and the taps asked for.

    Logits of pixels are (B, C, H, W).
    """

    logits_BC: Tensor
    features_BD: Tensor
    taps: dict[str, Tensor]

    def split(self, first: int) -> "tuple[Output, Output]":
        """Returns the output of the first `first` rows, and that of the others."""
        taps = {name: (tap[:first], tap[first:]) for name, tap in self.taps.items()}
        return (
            Output(self.logits_BC[:first], self.features_BD[:first], {name: one for name, (one, _) in taps.items()}),
            Output(self.logits_BC[first:], self.features_BD[first:], {name: two for name, (_, two) in taps.items()}),
        )


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
        self.tap_names: tuple[str, ...] = ()

    def forward(self, x: Tensor) -> Output:
        if self.tap_names:
            return self._forward_with_taps(x)
        return self._answer(self.backbone(x), x, {})

    def _answer(self, seen: Tensor, x: Tensor, taps: dict[str, Tensor]) -> Output:
        """Returns what the network says about x once its backbone has seen it."""
        return Output(self.head(seen), seen, taps)

    def tap(self, names: Sequence[str]) -> None:
        """Asks for the outputs of inner modules of the backbone, by dotted name, in every later `Output.taps`.

        Raises:
            ValueError: if a name is not a module of the backbone.
        """
        modules = dict(self.backbone.named_modules())
        for name in names:
            if name not in modules:
                raise ValueError(f"tap {name!r} is no module of the backbone; choose from {sorted(modules)[1:]}")
        self.tap_names = tuple(dict.fromkeys((*self.tap_names, *names)))

    def _forward_with_taps(self, x: Tensor) -> Output:
        taps: dict[str, Tensor] = {}

        def keep(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
            return lambda module, inputs, output: taps.__setitem__(name, output.clone())

        handles = [self.backbone.get_submodule(name).register_forward_hook(keep(name)) for name in self.tap_names]
        try:
            seen = self.backbone(x)
        finally:
            for handle in handles:
                handle.remove()
        return self._answer(seen, x, taps)
