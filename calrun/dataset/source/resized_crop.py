"""Brings small pictures in memory to the size that large networks want, on the device, whole batches at a time.

Dimension key: B batch, ch channels, H W height and width as stored, S side of the square.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from calrun.dataset.source.transform import Transform
from calrun.text.legal import at_least

ASPECT = (3 / 4, 4 / 3)  # range of width / height of a random crop (Szegedy et al. 2015)
ATTEMPTS = 10  # draws of a crop before the whole picture is taken


class ResizedCrop(Transform):
    """Resizes pictures to S x S; in training each from a random crop of its own, half of them mirrored.

    In distribution it is torchvision's RandomResizedCrop(S) and RandomHorizontalFlip, and Resize(S) for evaluation, as
    Wen et al. 2024 (App. A) use them on CIFAR. Differs from them: at the edge of a crop bilinear interpolation looks at
    the pixel beyond, where there is one.

    Args:
        mean: subtracted, one number per channel, of pixels scaled to 0..1.
        std: the divisor, likewise.
        size: S, pixels.
        min_area: smallest share of the picture that a training crop covers; at 1 there is no random crop.
        flip: mirrors left and right with probability 0.5 in training.
        crop_padding: 0, which switches off the padded crop of a data set's own transform.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        size: int,
        min_area: float,
        flip: bool,
        *,
        crop_padding: int = 0,
    ) -> None:
        if mean is None or std is None:
            raise ValueError("dataset.transform wants mean and std where it brings pictures to a size; give both")
        if crop_padding:
            raise ValueError(
                f"dataset.transform crops and resizes, so its crop_padding must be 0, came {crop_padding}; set it to 0"
            )
        super().__init__(mean, std, flip=flip)
        at_least(1, "dataset.transform", size=size)
        if not 0 < min_area <= 1:
            raise ValueError(f"dataset.transform.min_area is a share of the picture in (0, 1], came {min_area}")
        self.size, self.min_area = size, min_area

    def seen_shape(self, stored: tuple[int, ...]) -> tuple[int, ...]:
        if len(stored) != 3:
            raise ValueError(
                f"dataset.transform brings pictures to {self.size} x {self.size}, but a row is {stored}; choose another"
            )
        return stored[0], self.size, self.size

    def train(self, stored: Tensor, generator: torch.Generator) -> Tensor:
        boxes_B4 = random_boxes(len(stored), stored.shape[2:], self.min_area, generator)
        mirrored_B = torch.rand(len(stored), generator=generator, device=stored.device) < (0.5 if self.flip else 0.0)
        return super().evaluate(cut_out(stored, boxes_B4, mirrored_B, self.size))

    def evaluate(self, stored: Tensor) -> Tensor:
        square = F.interpolate(scaled(stored), (self.size, self.size), mode="bilinear", antialias=True)
        return super().evaluate(square)


def scaled(stored: Tensor) -> Tensor:
    """Returns stored values as float32, bytes scaled to 0..1."""
    return stored.float() / 255 if stored.dtype == torch.uint8 else stored.float()


def random_boxes(number: int, sides: Sequence[int], min_area: float, generator: torch.Generator) -> Tensor:
    """Returns left, top, width and height in whole pixels for each picture (B, 4).

    The share of the area is uniform, the aspect log-uniform; a picture takes the first of its draws that fits, and if
    none does, it is taken whole.
    """
    height, width = sides
    device = generator.device
    area_BA, aspect_BA, left_BA, top_BA = torch.rand(4, number, ATTEMPTS, generator=generator, device=device)
    area_BA = (min_area + (1 - min_area) * area_BA) * (height * width)
    low, high = (math.log(side) for side in ASPECT)
    aspect_BA = (low + (high - low) * aspect_BA).exp()
    width_BA, height_BA = (area_BA * aspect_BA).sqrt().round(), (area_BA / aspect_BA).sqrt().round()
    fits_BA = (width_BA >= 1) & (width_BA <= width) & (height_BA >= 1) & (height_BA <= height)
    left_BA = (left_BA * (width - width_BA + 1)).floor()
    top_BA = (top_BA * (height - height_BA + 1)).floor()
    drawn_BA4 = torch.stack((left_BA, top_BA, width_BA, height_BA), dim=2)
    first_B = fits_BA.int().argmax(dim=1)  # the first of equal values
    chosen_B4 = drawn_BA4[torch.arange(number, device=device), first_B]
    whole_4 = torch.tensor([0.0, 0.0, width, height], device=device)
    return torch.where(fits_BA.any(dim=1, keepdim=True), chosen_B4, whole_4)


def cut_out(stored: Tensor, boxes_B4: Tensor, mirrored_B: Tensor, size: int) -> Tensor:
    """Returns what lies in each picture's box as (B, ch, S, S), mirrored where asked, float32, bytes scaled to 0..1."""
    height, width = stored.shape[2:]
    left_B, top_B, box_width_B, box_height_B = boxes_B4.unbind(dim=1)
    place_S = (torch.arange(size, device=stored.device) + 0.5) / size
    across_BS = torch.where(mirrored_B[:, None], 1 - place_S, place_S)
    x_BS = (left_B[:, None] + across_BS * box_width_B[:, None]) * 2 / width - 1
    y_BS = (top_B[:, None] + place_S * box_height_B[:, None]) * 2 / height - 1
    shape = (len(stored), size, size)
    grid_BSS2 = torch.stack((x_BS[:, None, :].expand(shape), y_BS[:, :, None].expand(shape)), dim=3)
    return F.grid_sample(scaled(stored), grid_BSS2, mode="bilinear", padding_mode="border", align_corners=False)
