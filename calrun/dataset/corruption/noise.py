"""Noise of CIFAR-10-C (Hendrycks and Dietterich 2019), many pictures at a time.

Dimension key: B pictures, ch channels, H W height and width.
"""

import numpy as np
import torch
from torch import Tensor


def gaussian_noise(x: Tensor, scale: float, rng: np.random.Generator) -> Tensor:
    """Adds normal noise of this standard deviation to pictures (B, ch, H, W) from 0 to 1."""
    return x + normal(x.shape, rng) * scale


def shot_noise(x: Tensor, photons: float, rng: np.random.Generator) -> Tensor:
    """Counts photons, on average so many where a pixel is white."""
    return torch.from_numpy(rng.poisson(x.numpy() * photons)).float() / photons


def impulse_noise(x: Tensor, share: float, rng: np.random.Generator) -> Tensor:
    """Sets this share of all values to black or white, as often one as the other."""
    hit, white = (torch.from_numpy(rng.random(tuple(x.shape), dtype=np.float32)) for _ in range(2))
    return torch.where(hit < share, (white < 0.5).float(), x)


def speckle_noise(x: Tensor, scale: float, rng: np.random.Generator) -> Tensor:
    """Adds normal noise that is stronger where a pixel is brighter."""
    return x + x * normal(x.shape, rng) * scale


def normal(shape: tuple[int, ...], rng: np.random.Generator) -> Tensor:
    """Returns standard normal numbers."""
    return torch.from_numpy(rng.standard_normal(tuple(shape), dtype=np.float32))


def uniform(low: float, high: float, shape: tuple[int, ...], rng: np.random.Generator) -> Tensor:
    """Returns uniform numbers."""
    return torch.from_numpy(rng.uniform(low, high, tuple(shape)).astype(np.float32))
