"""Turns picture files into squares of bytes by a centre crop or a random crop, each resized after it is cut out.

Dimension key: ch channels, S side of the square.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from calrun.dataset.check.pixels import reason
from calrun.dataset.read.picture_file import open_picture

Box = tuple[float, float, float, float]  # left, top, right, bottom

ASPECT = (3 / 4, 4 / 3)  # range of width / height of a random crop (Szegedy et al. 2015)
SPARE = 2  # pixels, for each that is wanted, on a side of what is decoded at a part of its size
ATTEMPTS = 10  # draws of a crop before the centre square is taken


@dataclass(frozen=True)
class Picture:
    """How a picture file becomes (3, S, S) bytes.

    Args:
        size: S, pixels.
        resize: pixels of the shorter side before the centre S x S is cut out for evaluation; at least `size`.
        min_area: smallest share of the picture that a training crop covers (Szegedy et al. 2015, sec. 6: 0.08);
            at 1 there is no random crop, and training sees the evaluation crop.
        flip: mirrors left and right with probability 0.5 in training.
        white: the value that becomes white in grey of more than 8 bits; `None` takes 65,535, for 16 bits only.
        shrink: whether JPEG files are decoded at 1/2, 1/4 or 1/8 of their size where what is cut out still has at
            least 2 S pixels a side: several times as fast, and hardly another picture.
    """

    size: int
    resize: int
    min_area: float
    flip: bool
    white: float | None = None
    shrink: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.size <= self.resize:
            raise ValueError(
                f"dataset.picture wants 0 < size <= resize, came size {self.size} and resize {self.resize}; "
                "resize is the shorter side before the centre of side size is cut out"
            )
        if not 0 < self.min_area <= 1:
            raise ValueError(f"dataset.picture.min_area is a share of the picture in (0, 1], came {self.min_area}")
        if self.white is not None and not 0 < self.white < math.inf:
            raise ValueError(f"dataset.picture.white wants a finite number above 0, came {self.white}")

    def read(self, path: Path, rng: np.random.Generator | None) -> Tensor:
        """Returns the file as bytes (3, S, S): augmented by `rng`, or the evaluation crop if it is `None`.

        Raises:
            ValueError: if the file cannot be read; it names the file.
        """
        mirrored = rng is not None and self.flip and rng.random() < 0.5
        try:
            file = open_picture(path, self.white)
            left, top, right, bottom = self.box(*file.size, rng)
            least = min(1.0, SPARE * self.size / min(right - left, bottom - top)) if self.shrink else 1.0
            pixels = file.pixels(least)
        except (ValueError, RuntimeError, OSError) as error:
            raise ValueError(f"cannot read picture {path} ({reason(error, path)}); replace it or remove it") from error
        share = pixels.shape[2] / file.size[0]  # below 1 where a part of the size was decoded
        left, top, right, bottom = (round(side * share) for side in (left, top, right, bottom))
        square = resized(pixels[:, top : max(bottom, top + 1), left : max(right, left + 1)], self.size)
        return square.flip(-1) if mirrored else square

    def box(self, width: int, height: int, rng: np.random.Generator | None) -> Box:
        """Returns what is cut out: a random crop of random aspect in training, otherwise the centre; whole pixels."""
        if rng is not None and self.min_area < 1:
            return random_box(width, height, self.min_area, rng)
        side = max(1, round(min(width, height) * self.size / self.resize))
        left, top = (width - side) // 2, (height - side) // 2
        return left, top, left + side, top + side


def resized(pixels: Tensor, size: int) -> Tensor:
    """Returns bytes (3, H, W) as (3, S, S), each value a mean over what falls onto it."""
    if pixels.shape[1:] == (size, size):
        return pixels.contiguous()
    square = F.interpolate(pixels.unsqueeze(0), (size, size), mode="bilinear", antialias=True)
    return square.squeeze(0).contiguous()


def fit_square(picture: Image.Image, size: int) -> Image.Image:
    """Returns the centre square of the picture as S x S."""
    return picture.resize((size, size), Image.Resampling.BILINEAR, centre_box(*picture.size))


def centre_box(width: int, height: int) -> Box:
    """Returns (left, top, right, bottom) of the centre square."""
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def random_box(width: int, height: int, min_area: float, rng: np.random.Generator) -> Box:
    """Returns (left, top, right, bottom) of a random crop, uniform in its share of the area and log-uniform in aspect.

    If no crop fits within ATTEMPTS draws, it is the centre square.
    """
    for _ in range(ATTEMPTS):
        area = width * height * rng.uniform(min_area, 1)
        aspect = math.exp(rng.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
        crop_width, crop_height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < crop_width <= width and 0 < crop_height <= height:
            left, top = int(rng.integers(width - crop_width + 1)), int(rng.integers(height - crop_height + 1))
            return left, top, left + crop_width, top + crop_height
    return centre_box(width, height)
