"""Weather of CIFAR-10-C (Hendrycks and Dietterich 2019), many pictures at a time.

Dimension key: B pictures, ch channels, H W height and width.
"""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from calrun.dataset.corruption.blur import smeared, smoothed, zoomed
from calrun.dataset.corruption.noise import normal, uniform

GREY = (0.299, 0.587, 0.114)  # shares of red, green and blue
WATER, MUD = (175, 238, 238), (63, 42, 20)
EDGE = 150  # sum of Sobel's two slopes, of bytes
FARTHEST = 20.0  # pixels from an edge that still count
RELIEF = ((-2.0, -1.0, 0.0), (-1.0, 1.0, 1.0), (0.0, 1.0, 2.0))
WIBBLE = 100.0  # of the first step of a height map


def fog(x: Tensor, options: tuple[float, float], rng: np.random.Generator) -> Tensor:
    """Adds a cloudy height map to pictures (B, ch, H, W) and scales each back to its largest value."""
    strength, decay = options
    most = x.amax(dim=(1, 2, 3), keepdim=True)
    return (x + strength * plasma(len(x), x.shape[-1], decay, rng)) * most / (most + strength)


def snow(x: Tensor, options: tuple[float, float, float, float, int, float, float], rng: np.random.Generator) -> Tensor:
    """Whitens pictures and lets flakes fall on them, smeared by the wind, from above and below."""
    mean, scale, zoom, threshold, radius, sigma, share = options
    flakes = zoomed(mean + scale * normal((len(x), 1, *x.shape[2:]), rng), zoom)
    flakes = bytes_of(torch.where(flakes < threshold, 0.0, flakes)) / 255
    flakes = smeared(flakes, radius, sigma, uniform(-135, -45, (len(x),), rng))
    grey = (x * torch.tensor(GREY).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    whitened = share * x + (1 - share) * torch.maximum(x, grey * 1.5 + 0.5)
    return whitened + flakes + torch.rot90(flakes, 2, (2, 3))


def spatter(x: Tensor, options: tuple[float, float, float, float, float, bool], rng: np.random.Generator) -> Tensor:
    """Spatters pictures with drops of water, or with mud."""
    mean, scale, sigma, threshold, strength, is_mud = options
    liquid = smoothed(mean + scale * normal((len(x), 1, *x.shape[2:]), rng), sigma)
    liquid = torch.where(liquid < threshold, 0.0, liquid)
    if is_mud:
        cover = smoothed((liquid > threshold).float(), strength)
        cover = torch.where(cover < 0.8, 0.0, cover)
        return x * (1 - cover) + cover * colour(MUD)
    drops = bytes_of(liquid)
    shine = drops * relief(drops)
    most = shine.amax(dim=(1, 2, 3), keepdim=True)
    return x + strength * shine / most.clamp(min=1e-6) * colour(WATER)


def plasma(count: int, side: int, decay: float, rng: np.random.Generator) -> Tensor:
    """Returns height maps (B, 1, side, side) from 0 to 1 on a torus, by the diamond-square algorithm.

    Each step halves the grid: midpoints of squares, then of diamonds, are the mean of their four neighbours and a
    uniform number, which shrinks by `decay`.
    """
    heights = torch.zeros(count, side, side)
    step, wibble = side, WIBBLE
    while step >= 2:
        half = step // 2
        ends = heights[:, ::step, ::step]
        middles = sum_of(ends, (0, -1), (0, -1)) / 4
        heights[:, half::step, half::step] = middles + shaken(middles, wibble, rng)
        middles = heights[:, half::step, half::step]
        across = (ends + ends.roll(-1, 2) + middles + middles.roll(1, 1)) / 4
        heights[:, ::step, half::step] = across + shaken(across, wibble, rng)
        along = (ends + ends.roll(-1, 1) + middles + middles.roll(1, 2)) / 4
        heights[:, half::step, ::step] = along + shaken(along, wibble, rng)
        step, wibble = half, wibble / decay
    heights -= heights.amin(dim=(1, 2), keepdim=True)
    return (heights / heights.amax(dim=(1, 2), keepdim=True)).unsqueeze(1)


def sum_of(grid: Tensor, down: tuple[int, ...], right: tuple[int, ...]) -> Tensor:
    """Returns the sum of a grid (B, H, W) rolled by each pair of steps."""
    return sum((grid.roll((i, j), (1, 2)) for i in down for j in right), torch.zeros(()))


def shaken(like: Tensor, wibble: float, rng: np.random.Generator) -> Tensor:
    """Returns the uniform numbers of one step of a height map."""
    return wibble * uniform(-wibble, wibble, tuple(like.shape), rng)


def relief(drops: Tensor) -> Tensor:
    """Returns how drops (B, 1, H, W), bytes, shine: by the distance from their edges, seen as a relief.

    Differs from the published files: edges are where Sobel's slopes are steep, not Canny's thinned ones.
    """
    slopes = F.conv2d(F.pad(drops, (1,) * 4, mode="reflect"), sobel())
    edges_BHW = slopes.abs().sum(dim=1).numpy() > EDGE
    distances = np.stack(
        [distance_transform_edt(~edges_HW) if edges_HW.any() else np.inf * ~edges_HW for edges_HW in edges_BHW]
    )
    near = torch.from_numpy(np.minimum(np.nan_to_num(distances, posinf=FARTHEST), FARTHEST)).float().unsqueeze(1)
    even = torch.stack([equalised(picture) for picture in averaged(near).floor()])
    raised = F.conv2d(F.pad(even, (1,) * 4, mode="reflect"), torch.tensor(RELIEF).view(1, 1, 3, 3))
    return averaged(raised.clamp(0, 255))


def sobel() -> Tensor:
    """Returns Sobel's two kernels (2, 1, 3, 3)."""
    slope = torch.outer(torch.tensor([1.0, 2.0, 1.0]), torch.tensor([-1.0, 0.0, 1.0]))
    return torch.stack((slope, slope.T)).unsqueeze(1)


def averaged(x: Tensor) -> Tensor:
    """Returns the mean over 3 x 3 pixels."""
    return F.avg_pool2d(F.pad(x, (1,) * 4, mode="reflect"), 3, 1)


def equalised(picture: Tensor) -> Tensor:
    """Returns bytes whose values are spread evenly over 0 to 255, as far as equal ones stay equal."""
    counts = torch.bincount(picture.flatten().long(), minlength=256)
    reached = counts.cumsum(0)
    first = counts[counts > 0][0]
    if first == picture.numel():
        return picture
    spread = ((reached - first) / (picture.numel() - first) * 255).round().clamp(0, 255)
    return spread[picture.long()]


def bytes_of(x: Tensor) -> Tensor:
    """Returns whole numbers from 0 to 255 for values from 0 to 1."""
    return (x.clamp(0, 1) * 255).floor()


def colour(shares: tuple[int, int, int]) -> Tensor:
    """Returns a colour (1, 3, 1, 1) from 0 to 1."""
    return torch.tensor(shares).view(1, 3, 1, 1) / 255
