"""Changes of colour, compression and shape in CIFAR-10-C (Hendrycks and Dietterich 2019), many pictures at a time.

Dimension key: B pictures, ch channels, H W height and width.
"""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from calrun.dataset.corruption.blur import smoothed
from calrun.dataset.corruption.noise import uniform

SIDE = 32  # of CIFAR's pictures
TINY = 1e-12


def contrast(x: Tensor, share: float, rng: np.random.Generator) -> Tensor:
    """Moves pictures (B, ch, H, W) towards the mean of each channel."""
    means = x.mean(dim=(2, 3), keepdim=True)
    return (x - means) * share + means


def brightness(x: Tensor, more: float, rng: np.random.Generator) -> Tensor:
    """Raises the value of each pixel (the V of HSV), at the same hue and saturation."""
    value = x.amax(dim=1, keepdim=True)
    raised = (value + more).clamp(0, 1)
    return torch.where(value > 0, x * raised / value.clamp(min=TINY), raised.expand_as(x))


def saturate(x: Tensor, options: tuple[float, float], rng: np.random.Generator) -> Tensor:
    """Changes the saturation of each pixel (the S of HSV), at the same hue and value; grey counts as red."""
    factor, more = options
    value, least = x.amax(dim=1, keepdim=True), x.amin(dim=1, keepdim=True)
    saturation = torch.where(value > 0, (value - least) / value.clamp(min=TINY), 0.0)
    wanted = (saturation * factor + more).clamp(0, 1)
    coloured = value - (value - x) * wanted / saturation.clamp(min=TINY)
    red = value * (1 - wanted * torch.tensor([0.0, 1.0, 1.0]).view(1, 3, 1, 1))
    return torch.where(saturation > 0, coloured, red)


def jpeg_compression(x: Tensor, quality: int, rng: np.random.Generator) -> Tensor:
    """Writes each picture as JPEG and reads it again."""

    def compressed(picture: Image.Image) -> Image.Image:
        file = BytesIO()
        picture.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return each(x, compressed)


def pixelate(x: Tensor, share: float, rng: np.random.Generator) -> Tensor:
    """Makes each picture smaller and then as large as it was, by averaging over boxes."""
    small = int(x.shape[-1] * share)

    def coarse(picture: Image.Image) -> Image.Image:
        return picture.resize((small, small), Image.Resampling.BOX).resize(picture.size, Image.Resampling.BOX)

    return each(x, coarse)


def elastic_transform(x: Tensor, options: tuple[float, float, float], rng: np.random.Generator) -> Tensor:
    """Shears each picture by a random affine map and shifts its pixels by a smooth random field."""
    strength, sigma, reach = options
    x = F.grid_sample(x, affine_grid(x, reach, rng), padding_mode="reflection", align_corners=True)
    batch, _, height, width = x.shape
    shift = smoothed(uniform(-1, 1, (batch, 2, height, width), rng), sigma, mode="reflect", truncate=3.0) * strength
    columns = (2 * (torch.arange(width) + shift[:, 0]) + 1) / width - 1
    rows = (2 * (torch.arange(height).view(-1, 1) + shift[:, 1]) + 1) / height - 1
    grid = torch.stack((columns, rows), dim=-1)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def affine_grid(x: Tensor, reach: float, rng: np.random.Generator) -> Tensor:
    """Returns where each pixel comes from, from -1 to 1 (B, H, W, 2): three points move by up to `reach` pixels."""
    batch, _, height, width = x.shape
    middle, arm = width // 2, width // 3
    points = torch.tensor([[middle + arm, middle + arm], [middle + arm, middle - arm], [middle - arm, middle - arm]])
    moved = points.float() + uniform(-reach, reach, (batch, 3, 2), rng)
    ones = torch.ones(batch, 3, 1)
    backwards = torch.linalg.solve(torch.cat((moved, ones), dim=2), points.float().expand(batch, 3, 2))  # (B, 3, 2)
    columns, rows = torch.meshgrid(torch.arange(width).float(), torch.arange(height).float(), indexing="xy")
    places = torch.stack((columns, rows, torch.ones_like(rows)), dim=-1).view(1, -1, 3)
    found = (places @ backwards).view(batch, height, width, 2)
    scaled: Tensor = 2 * found / torch.tensor([width - 1, height - 1]) - 1
    return scaled


def each(x: Tensor, change: Callable[[Image.Image], Image.Image]) -> Tensor:
    """Returns pictures after a change of each as bytes."""
    pictures = (x * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    changed = np.stack([np.asarray(change(Image.fromarray(picture))) for picture in pictures])
    return torch.from_numpy(changed).permute(0, 3, 1, 2).float() / 255
