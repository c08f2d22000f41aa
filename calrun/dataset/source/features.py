"""Rows whose x are features of another source's rows, in memory or mapped from a file.

Dimension key: N rows, D features, K steps of a block, B rows of a step (the current M, then replayed).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from calrun.dataset.base import Block, Shot, Source, StepRows
from calrun.dataset.source.resident import Resident, ResidentBlock, shots
from calrun.dataset.source.transform import Transform

HOST = torch.empty(0).device


class StandsFor(Source):
    """Rows of another source, seen through something: their names, checksum and measured values are its own."""

    of: Source

    def item_id(self, row: int) -> str:
        return self.of.item_id(row)

    def checksum(self, start: int) -> int:
        return self.of.checksum(start)

    def measured(self) -> dict[str, Any]:
        return self.of.measured()


class Features(StandsFor, Resident):
    """The rows of a source, with the same targets, names and checksum; nothing is augmented.

    On an accelerator they are moved there as a whole if they fill at most half of what is free, and otherwise batch by
    batch.

    Args:
        of: the source.
        features_ND: the features of its rows, float16 or float32.
    """

    def __init__(self, of: Source, features_ND: Tensor) -> None:
        if len(features_ND) != len(of):
            raise ValueError(
                f"features of {len(features_ND):,} rows cannot stand for the {len(of):,} rows of a source; compute "
                "them on it"
            )
        super().__init__(features_ND, of.targets, Transform([0.0], [1.0]))
        self.of = of

    @property
    def dtype(self) -> torch.dtype:
        return self.inputs.dtype

    def to(self, device: torch.device) -> None:
        if fits(self.inputs, device):
            super().to(device)

    def blocks(self, steps: list[StepRows], seed: int) -> Iterator[Block]:  # type: ignore[override]
        for block in super().blocks(steps, seed):
            yield block if self.inputs.device.type != HOST.type else HostBlock(block)


@dataclass(frozen=True)
class HostBlock:
    """Steps whose features are gathered on the host and then travel.

    Args:
        block: the steps, whose rows stay on the host.
        x_KBD: the features, once they have been gathered.
    """

    block: ResidentBlock
    x_KBD: Tensor | None = None

    def gathered(self) -> Tensor:
        """Returns the features of all steps as float32."""
        source, rows_KB = self.block.source, self.block.rows_KB
        x = source.transform.evaluate(source.inputs.index_select(0, rows_KB.flatten()))
        return x.view(*rows_KB.shape, -1)

    def to(self, device: torch.device, non_blocking: bool = False) -> Self:
        return type(self)(self.block, self.gathered().to(device, non_blocking=non_blocking))

    def __iter__(self) -> Iterator[tuple[Shot, Shot | None]]:
        x_KBD = self.gathered() if self.x_KBD is None else self.x_KBD
        return shots(self.block.rows_KB.to(x_KBD.device), x_KBD, self.block.num_current)


def fits(features_ND: Tensor, device: torch.device) -> bool:
    """Tells whether features fill at most half of what is free on a device; the host has them already."""
    module = torch.get_device_module(device)
    if not hasattr(module, "mem_get_info") or features_ND.device.type == device.type:
        return True
    return bool(2 * features_ND.nbytes <= module.mem_get_info(device)[0])
