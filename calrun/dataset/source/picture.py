"""Turns picture files into squares of bytes by a centre crop or a random crop, each resized in one resampling.

Dimension key: ch channels, S side of the square.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from calrun.dataset.check.pixels import rgb

Box = tuple[float, float, float, float]  # left, top, right, bottom

ASPECT = (3 / 4, 4 / 3)  # range of width / height of a random crop (Szegedy et al. 2015)
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
    """

    size: int
    resize: int
    min_area: float
    flip: bool
    white: float | None = None

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
        try:
            picture = rgb(path, self.white)
        except ValueError as error:
            raise ValueError(f"cannot read picture {path} ({error}); replace it or remove it") from error
        square = self.augmented(picture, rng) if rng else fit_square(picture, self.size, self.resize)
        return torch.from_numpy(np.array(square)).permute(2, 0, 1).contiguous()

    def augmented(self, picture: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Returns a random crop of random aspect, resized to S x S, mirrored half of the time."""
        mirrored = self.flip and rng.random() < 0.5
        if self.min_area < 1:
            box = random_box(picture.width, picture.height, self.min_area, rng)
            square = picture.resize((self.size, self.size), Image.Resampling.BILINEAR, box)
        else:
            square = fit_square(picture, self.size, self.resize)
        return square.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else square


def fit_square(picture: Image.Image, size: int, resize: int) -> Image.Image:
    """Returns the S x S centre of the picture after its shorter side is scaled to `resize`."""
    return picture.resize((size, size), Image.Resampling.BILINEAR, centre_box(*picture.size, size / resize))


def centre_box(width: int, height: int, share: float) -> Box:
    """Returns (left, top, right, bottom) of the centre square whose side is `share` of the shorter side."""
    side = min(width, height) * share
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
    return centre_box(width, height, 1.0)
