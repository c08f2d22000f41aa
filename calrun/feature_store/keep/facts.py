"""What decides stored features: the name of a file follows from it, and the file beside it says it.

Dimension key: N rows, D features.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import torch

from calrun.dataset.base import Source
from calrun.model.adapt.layout import COUNTER
from calrun.model.base import Classifier

LAYER = "penultimate"
ID_DIGITS = 12
ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@dataclass(frozen=True)
class Facts:
    """What decides the features of some rows.

    Args:
        weights: a digest of the backbone, its weights and its layers.
        data: a digest of the rows.
        transform: a digest of how the rows are read and brought to what the network takes.
        layer: whose outputs they are.
        dtype: of the stored numbers.
        precision: Lightning's name of the precision of the pass.
        rows: N.
        width: D; it follows from the others, and is no part of the name.
    """

    weights: str
    data: str
    transform: str
    layer: str
    dtype: str
    precision: str
    rows: int
    width: int

    @property
    def id(self) -> str:
        """The name of what is stored."""
        return digest([json.dumps(asdict(replace(self, width=0)), sort_keys=True).encode()])[:ID_DIGITS]

    @classmethod
    def parsed(cls, said: dict[str, Any]) -> Self:
        """Returns the facts that a file says."""
        return cls(**{name: kind(said[name]) for name, kind in cls.__annotations__.items()})


def facts_of(net: Classifier, source: Source, content: str, reading: str, dtype: str, precision: str) -> Facts:
    """Returns the facts of the features of a source's rows under a network.

    Args:
        net: the network, whose head plays no part.
        source: the rows.
        content: a digest of the data set's files.
        reading: a digest of how the data set's option reads them.
        dtype: of the stored numbers.
        precision: of the pass.
    """
    data = digest([content.encode(), f"{len(source)} {source.checksum(0):08x}".encode()])
    measured = json.dumps(source.measured(), sort_keys=True, default=str)
    transform = digest([reading.encode(), measured.encode()])
    rows, width = len(source), net.head.in_features
    return Facts(weights_digest(net), data, transform, LAYER, dtype, precision, rows, width)


def weights_digest(net: Classifier) -> str:
    """Returns a digest of a backbone: its layers as they print themselves, and its weights and statistics."""
    return digest(_parts(net))


def _parts(net: Classifier) -> Iterator[bytes]:
    yield f"{type(net).__qualname__} {type(net.backbone).__qualname__} {ADDRESS.sub('', repr(net.backbone))}".encode()
    for name, tensor in net.backbone.state_dict().items():
        if name.endswith(COUNTER):
            continue
        yield f"\0{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode()
        yield tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def digest(parts: Iterator[bytes] | list[bytes]) -> str:
    """Returns a short digest of bytes that come in parts."""
    made = hashlib.blake2b(digest_size=8)
    for part in parts:
        made.update(part)
    return made.hexdigest()
