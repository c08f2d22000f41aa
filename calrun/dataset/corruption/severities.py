"""The corruptions of CIFAR-10-C that are made here, and what each is given at severities 1 to 5.

Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations". The
numbers are those of CIFAR-10-C, which is milder than ImageNet-C. Frost is not made: it is laid on from photographs.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from calrun.dataset.corruption import blur, digital, noise, weather

Corruption = Callable[[Tensor, Any, np.random.Generator], Tensor]

PUBLISHED = (  # all 19, as the published files are called
    *("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
    *("defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "gaussian_blur"),
    *("snow", "frost", "fog", "spatter"),
    *("brightness", "contrast", "saturate", "elastic_transform", "pixelate", "jpeg_compression"),
)
NUM_SEVERITIES = 5

MADE: dict[str, tuple[Corruption, tuple[Any, ...]]] = {
    "gaussian_noise": (noise.gaussian_noise, (0.04, 0.06, 0.08, 0.09, 0.10)),  # standard deviation
    "shot_noise": (noise.shot_noise, (500, 250, 100, 75, 50)),  # photons of white
    "impulse_noise": (noise.impulse_noise, (0.01, 0.02, 0.03, 0.05, 0.07)),  # share of values
    "speckle_noise": (noise.speckle_noise, (0.06, 0.1, 0.12, 0.16, 0.2)),  # standard deviation, of white
    # radius of the disk and sigma of its edge, pixels
    "defocus_blur": (blur.defocus_blur, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))),
    # sigma, reach and times
    "glass_blur": (blur.glass_blur, ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))),
    "motion_blur": (blur.motion_blur, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))),  # radius and sigma, pixels
    "zoom_blur": (blur.zoom_blur, (1.06, 1.11, 1.16, 1.21, 1.26)),  # largest factor
    "gaussian_blur": (blur.gaussian_blur, (0.4, 0.6, 0.7, 0.8, 1.0)),  # sigma, pixels
    "snow": (
        weather.snow,
        (  # mean, standard deviation, zoom, threshold of flakes; radius and sigma of the wind; share of the picture
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
    ),
    "fog": (weather.fog, ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))),  # strength and decay
    "spatter": (
        weather.spatter,
        (  # mean, standard deviation, sigma, threshold of the liquid; its strength or sigma; whether it is mud
            (0.62, 0.1, 0.7, 0.7, 0.5, False),
            (0.65, 0.1, 0.8, 0.7, 0.5, False),
            (0.65, 0.3, 1, 0.69, 0.5, False),
            (0.65, 0.1, 0.7, 0.69, 0.6, True),
            (0.65, 0.1, 0.5, 0.68, 0.6, True),
        ),
    ),
    "brightness": (digital.brightness, (0.05, 0.1, 0.15, 0.2, 0.3)),  # added to the value
    "contrast": (digital.contrast, (0.75, 0.5, 0.4, 0.3, 0.15)),  # share that is left
    "saturate": (digital.saturate, ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2))),  # factor, and more
    "elastic_transform": (
        digital.elastic_transform,
        tuple(  # strength and sigma of the field, reach of the affine map, all in sides of a picture
            tuple(digital.SIDE * share for share in shares)
            for shares in ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))
        ),
    ),
    "pixelate": (digital.pixelate, (0.95, 0.9, 0.85, 0.75, 0.65)),  # share of the side
    "jpeg_compression": (digital.jpeg_compression, (80, 65, 58, 50, 40)),  # quality
}
