"""Picture files as bytes of colours: JPEG files by torchvision, or at a part of their size where that is enough.

What is decoded is the same, byte for byte, as Pillow decodes.

Dimension key: H W height and width of the upright picture.
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from calrun.dataset.check.pixels import eight_bit, orientation, reason, rgb

try:
    from torchvision.io import ImageReadMode, decode_jpeg
except ImportError:  # torchvision means to leave it out some day; Pillow decodes the same, more slowly
    decode_jpeg = None

JPEG = b"\xff\xd8"  # the first bytes of such a file
PARTS = (8, 4, 2)  # a JPEG file can be decoded at 1/8, 1/4 or 1/2 of its size
SIDEWAYS = (5, 6, 7, 8)  # orientations that exchange width and height
UPRIGHT = 1
PLAIN = ("RGB", "L")  # modes that are decoded alike everywhere


class PictureFile(Protocol):
    """One picture.

    Args:
        size: width and height of the upright picture.
    """

    @property
    def size(self) -> tuple[int, int]: ...

    def pixels(self, least: float) -> Tensor:
        """Returns bytes (3, H, W), at `least` of the size or more."""


@dataclass(frozen=True)
class Whole:
    """A picture that is decoded at its own size."""

    picture: Image.Image

    @property
    def size(self) -> tuple[int, int]:
        return self.picture.size

    def pixels(self, least: float) -> Tensor:
        return torch.from_numpy(np.array(self.picture)).permute(2, 0, 1)


@dataclass(frozen=True)
class Jpeg:
    """A JPEG file of which only the header is read yet.

    Args:
        data: the file.
        header: as Pillow opens it; it can be decoded once.
        tag: the EXIF orientation.
        size: width and height of the upright picture.
    """

    data: bytes
    header: Image.Image
    tag: int
    size: tuple[int, int]

    def pixels(self, least: float) -> Tensor:
        """Returns bytes (3, H, W).

        Raises:
            OSError: if the file is damaged.
        """
        part = next((part for part in PARTS if least * part <= 1), 1)
        if part == 1 and self.tag == UPRIGHT and decode_jpeg is not None:
            pixels: Tensor = decode_jpeg(torch.frombuffer(bytearray(self.data), dtype=torch.uint8), ImageReadMode.RGB)
            return pixels
        width, height = self.header.size
        self.header.draft(self.header.mode, (width // part, height // part))
        self.header.load()
        return Whole(eight_bit(self.header, None)).pixels(1.0)


def open_picture(path: Path, white: float | None) -> PictureFile:
    """Returns the picture in a file.

    Args:
        path: of the file.
        white: as for `calrun.dataset.check.pixels.rgb`.

    Raises:
        ValueError: if the file cannot be read, with the reason alone.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(reason(error, path)) from error
    return jpeg_in(data) or Whole(rgb(path, white))


def jpeg_in(data: bytes) -> Jpeg | None:
    """Returns the JPEG file in some bytes; `None` if it is another kind of file or colour."""
    if not data.startswith(JPEG):
        return None
    try:
        header = Image.open(BytesIO(data))
    except Exception:  # decoders answer damaged bytes with errors of many kinds; whoever reads all of it says which
        return None
    if header.format != "JPEG" or header.mode not in PLAIN:
        return None
    tag = orientation(header)
    return Jpeg(data, header, tag, header.size[::-1] if tag in SIDEWAYS else header.size)
