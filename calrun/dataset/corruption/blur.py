"""Blur of CIFAR-10-C (Hendrycks and Dietterich 2019), many pictures at a time.

Dimension key: B pictures, ch channels, H W height and width, T taps of a kernel.
"""

import math
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import Tensor

from calrun.dataset.corruption.noise import uniform

Mode = Literal["nearest", "reflect", "mirror", "constant", "wrap"]

DISK_RADIUS = 8  # of the grid that a disk is drawn on


def gaussian_blur(x: Tensor, sigma: float, rng: np.random.Generator) -> Tensor:
    """Smooths pictures (B, ch, H, W)."""
    return smoothed(x, sigma)


def glass_blur(x: Tensor, options: tuple[float, int, int], rng: np.random.Generator) -> Tensor:
    """Smooths, takes pixels from a neighbour up to `reach` further up and left, a number of times, and smooths again.

    The published files were made with a swap that numpy turns into a copy; so each pixel is a copy here as well.
    """
    sigma, reach, times = options
    x = (smoothed(x, sigma) * 255).floor() / 255
    batch, _, height, width = x.shape
    for _ in range(times):
        down, right = (torch.from_numpy(rng.integers(-reach, reach, (batch, height, width))) for _ in range(2))
        rows, columns = torch.arange(height).view(1, -1, 1), torch.arange(width).view(1, 1, -1)
        inner = (rows > reach) & (columns > reach)
        rows, columns = rows + down * inner, columns + right * inner
        x = x[torch.arange(batch).view(-1, 1, 1), :, rows, columns].permute(0, 3, 1, 2)
    return smoothed(x, sigma)


def defocus_blur(x: Tensor, options: tuple[float, float], rng: np.random.Generator) -> Tensor:
    """Averages over a disk whose edge is smoothed over three pixels."""
    radius, sigma = options
    axis = torch.arange(-DISK_RADIUS, DISK_RADIUS + 1).float()
    disk = (axis[:, None] ** 2 + axis**2 <= radius**2).float()
    taps_T = torch.exp(-(torch.arange(-1, 2).float() ** 2) / (2 * sigma**2))
    taps_T /= taps_T.sum()
    kernel = F.conv2d((disk / disk.sum()).view(1, 1, *disk.shape), torch.outer(taps_T, taps_T).view(1, 1, 3, 3))
    size = kernel.shape[-1]
    kept = F.pad(x, (size // 2,) * 4, mode="reflect")
    return F.conv2d(kept, kernel.expand(x.shape[1], 1, size, size), groups=x.shape[1])


def motion_blur(x: Tensor, options: tuple[int, float], rng: np.random.Generator) -> Tensor:
    """Smears each picture in a direction of its own, up to 45 degrees from the horizontal."""
    return smeared(x, *options, uniform(-45, 45, (len(x),), rng))


def zoom_blur(x: Tensor, largest: float, rng: np.random.Generator) -> Tensor:
    """Averages a picture with itself enlarged by 1.00, 1.01, ... up to `largest`."""
    factors = np.arange(1, largest, 0.01).tolist()
    return (x + sum((zoomed(x, factor) for factor in factors), torch.zeros(()))) / (len(factors) + 1)


def smoothed(x: Tensor, sigma: float, mode: Mode = "nearest", truncate: float = 4.0) -> Tensor:
    """Returns pictures after a Gaussian filter over height and width."""
    if sigma == 0:
        return x
    filtered = gaussian_filter(x.numpy(), (*[0] * (x.ndim - 2), sigma, sigma), mode=mode, truncate=truncate)
    return torch.from_numpy(filtered)


def smeared(x: Tensor, radius: int, sigma: float, angle_B: Tensor) -> Tensor:
    """Returns pictures smeared in one direction each, with half a Gaussian of 2 radius + 1 pixels.

    Differs from the published files: they come from ImageMagick, whose rule this follows (nearest pixels along the
    direction, edges repeated), but not its rounding.
    """
    batch, _, height, width = x.shape
    taps = [math.exp(-(step**2) / (2 * sigma**2)) for step in range(2 * radius + 1)]
    down_B, right_B = torch.sin(torch.deg2rad(angle_B)), torch.cos(torch.deg2rad(angle_B))
    pictures, total = torch.arange(batch).view(-1, 1, 1), torch.zeros_like(x)
    for step, tap in enumerate(taps):
        rows = (torch.arange(height) + (step * down_B - 0.5).ceil().long().view(-1, 1)).clamp(0, height - 1)
        columns = (torch.arange(width) + (step * right_B - 0.5).ceil().long().view(-1, 1)).clamp(0, width - 1)
        total += tap * x[pictures, :, rows.unsqueeze(2), columns.unsqueeze(1)].permute(0, 3, 1, 2)
    return total / sum(taps)


def zoomed(x: Tensor, factor: float) -> Tensor:
    """Returns the middle of pictures, enlarged to their size."""
    side = x.shape[-1]
    kept = math.ceil(side / factor)
    top = (side - kept) // 2
    middle = x[..., top : top + kept, top : top + kept]
    size = round(kept * factor)
    enlarged = F.interpolate(middle, (size, size), mode="bilinear", align_corners=True)
    trim = (size - side) // 2
    return enlarged[..., trim : trim + side, trim : trim + side]
