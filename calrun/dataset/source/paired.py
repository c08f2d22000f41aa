"""How a picture and its mask become bytes of one size: scaled, cropped and mirrored together.

Dimension key: H W height and width that evaluation sees, ch channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from calrun.dataset.check.pixels import reason
from calrun.dataset.read.mask_file import NOBODYS, MaskCode
from calrun.dataset.read.picture_file import open_picture


class Place(NamedTuple):
    """What a training step cuts out of a picture and its mask.

    Args:
        height: of the whole picture once it is scaled, pixels.
        width: likewise.
        top: first row of the crop; below 0 where the picture is too small and is padded.
        left: first column, likewise.
        crop: height and width of the crop.
        mirrored: whether left and right are exchanged.
    """

    height: int
    width: int
    top: int
    left: int
    crop: tuple[int, int]
    mirrored: bool


@dataclass(frozen=True)
class Paired:
    """How a picture file and its mask become bytes.

    Args:
        size: height and width, pixels, that a whole picture is brought to, for evaluation and before it is scaled.
        crop: height and width of a training crop; `None` takes `size`. Evaluation sees the whole picture.
        scale: least and largest factor of a training picture's size, drawn uniformly.
        flip: mirrors left and right with probability 0.5 in training, picture and mask.
        white: the value that becomes white in grey pictures of more than 8 bits; `None` takes 65,535, for 16 bits only.
    """

    size: Sequence[int]
    crop: Sequence[int] | None
    scale: Sequence[float]
    flip: bool
    white: float | None = None

    def __post_init__(self) -> None:
        for name, sides in (("size", self.size), ("crop", self.crop or self.size)):
            if len(sides) != 2 or min(sides) < 1:
                raise ValueError(
                    f"dataset.picture.{name} wants height and width, each 1 pixel or more, got {list(sides)}"
                )
        if len(self.scale) != 2 or not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(
                f"dataset.picture.scale wants the least and the largest factor, above 0, got {list(self.scale)}; "
                "[1, 1] scales nothing"
            )

    def read(self, path: Path, rng: np.random.Generator | None) -> Tensor:
        """Returns a picture as evaluation sees it, bytes (3, H, W).

        Raises:
            ValueError: if the file cannot be read; it names the file.
        """
        height, width = self.size
        return enlarged(pixels_of(path, self.white), height, width)

    def read_both(self, path: Path, mask: Path, code: MaskCode, rng: np.random.Generator) -> Tensor:
        """Returns a picture and, as a fourth channel, the classes of its pixels, bytes (4, crop height, crop width).

        Raises:
            ValueError: if a file cannot be read; it names the file.
        """
        place = self.drawn(rng)
        picture = enlarged(pixels_of(path, self.white), place.height, place.width)
        classes = nearest(classes_of(mask, code), place.height, place.width)
        return torch.cat([cut_out(picture, place, 0), cut_out(classes[None], place, NOBODYS)])

    def read_mask(self, path: Path, code: MaskCode) -> Tensor:
        """Returns the classes of a picture's pixels as evaluation sees them, bytes (H, W).

        Raises:
            ValueError: if the file cannot be read, with the reason alone.
        """
        height, width = self.size
        return nearest(torch.from_numpy(code.read(path)), height, width)

    def drawn(self, rng: np.random.Generator) -> Place:
        """Returns what a training step cuts out."""
        mirrored = self.flip and bool(rng.random() < 0.5)
        least, largest = self.scale
        factor = rng.uniform(least, largest)
        height, width = (max(1, round(side * factor)) for side in self.size)
        crop_height, crop_width = self.crop or self.size
        top, left = offset(height - crop_height, rng), offset(width - crop_width, rng)
        return Place(height, width, top, left, (crop_height, crop_width), mirrored)


def offset(spare: int, rng: np.random.Generator) -> int:
    """Returns where a crop begins when this many pixels are to spare; below 0 if pixels are lacking."""
    low, high = sorted((0, spare))
    return int(rng.integers(low, high + 1))


def cut_out(pixels: Tensor, place: Place, filling: int) -> Tensor:
    """Returns a crop of bytes (ch, height, width), mirrored or not, with `filling` where the picture ends."""
    height, width = place.crop
    top, left = max(0, -place.top), max(0, -place.left)
    inner = pixels[:, max(0, place.top) :, max(0, place.left) :][:, : height - top, : width - left]
    padding = (left, width - left - inner.shape[2], top, height - top - inner.shape[1])
    crop = F.pad(inner, padding, value=filling)
    return crop.flip(-1) if place.mirrored else crop


def pixels_of(path: Path, white: float | None) -> Tensor:
    """Returns the colours of a picture file, bytes (3, height, width)."""
    try:
        return open_picture(path, white).pixels(1.0)
    except (ValueError, RuntimeError, OSError) as error:
        raise ValueError(f"cannot read picture {path} ({reason(error, path)}); replace it or remove it") from error


def classes_of(path: Path, code: MaskCode) -> Tensor:
    """Returns the classes of a mask file's pixels, bytes (height, width)."""
    try:
        return torch.from_numpy(code.read(path))
    except ValueError as error:
        raise ValueError(f"cannot read mask {path} ({error}); correct it or remove it with its picture") from error


def enlarged(pixels: Tensor, height: int, width: int) -> Tensor:
    """Returns bytes (3, ., .) as (3, height, width), each value a mean over what falls onto it."""
    if pixels.shape[1:] == (height, width):
        return pixels
    return F.interpolate(pixels[None], (height, width), mode="bilinear", antialias=True)[0]


def nearest(classes: Tensor, height: int, width: int) -> Tensor:
    """Returns bytes (., .) as (height, width), each the class at the middle of what falls onto it."""
    if classes.shape == (height, width):
        return classes
    rows, columns = middles(classes.shape[0], height), middles(classes.shape[1], width)
    return classes[rows[:, None], columns]


def middles(number: int, wanted: int) -> Tensor:
    """Returns which of `number` pixels in a line lie at the middles of `wanted` equal parts of it."""
    places = (torch.arange(wanted, dtype=torch.float64) + 0.5) * number / wanted
    return places.long().clamp(max=number - 1)
