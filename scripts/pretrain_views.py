"""Two random views of a picture, for scripts/pretrain.py: random resized crop, flip, colour jitter, grey.

Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations" (SimCLR), App. A.

Whole batches are changed at once, each picture by its own draws. Differs from the paper: colours change in one order
(brightness, contrast, saturation, hue), the hue is turned in YIQ, a crop whose side would exceed the picture is cut to
it, and there is no blur (as in the paper's CIFAR-10).

Dimension key: B batch, ch channels, H W height and width.
"""

from dataclasses import dataclass
from math import log, pi

import torch
import torch.nn.functional as F
from torch import Tensor

GREY = (0.299, 0.587, 0.114)  # weights of red, green and blue
TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
RATIO = 4 / 3  # most of a crop's width over its height, and of the reverse
P_JITTER, P_GREY = 0.8, 0.2


@dataclass(frozen=True)
class Views:
    """Changes pictures of numbers from 0 to 1.

    Args:
        min_area: smallest share of a picture that a crop covers; 0.08.
        jitter: strength s of the colour jitter; 0.5 for CIFAR-10 and 1 for ImageNet. 0 leaves colours alone.
    """

    min_area: float
    jitter: float

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Returns one view of each picture (B, ch, H, W); `generator` is on the host."""
        x = cropped(x, *self.boxes(len(x), generator, x.device))
        if not self.jitter:
            return x
        chosen = (draw(len(x), generator, x.device) < P_JITTER).view(-1, 1, 1, 1)
        x = torch.where(chosen, self.jittered(x, generator), x)
        if x.shape[1] != len(GREY):
            return x
        turns_grey = (draw(len(x), generator, x.device) < P_GREY).view(-1, 1, 1, 1)
        return torch.where(turns_grey, grey(x).expand_as(x), x)

    def boxes(self, count: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Returns sizes and centres (B, 2) of crops, width first, as shares of a picture, and which are mirrored."""
        area_B = self.min_area + (1 - self.min_area) * draw(count, generator, device)
        ratio_B = torch.exp((2 * draw(count, generator, device) - 1) * log(RATIO))
        size_B2 = torch.stack([area_B * ratio_B, area_B / ratio_B], dim=1).sqrt().clamp(max=1)
        centre_B2 = size_B2 / 2 + (1 - size_B2) * draw(2 * count, generator, device).view(count, 2)
        return size_B2, centre_B2, draw(count, generator, device) < 0.5

    def jittered(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Returns pictures of other brightness, contrast, saturation and hue."""
        strength = 0.8 * self.jitter
        factors = 1 + strength * (2 * draw(3 * len(x), generator, x.device).view(3, -1, 1, 1, 1) - 1)
        turn_B = 0.2 * self.jitter * (2 * draw(len(x), generator, x.device) - 1)
        brightness, contrast, saturation = factors.clamp(min=0)
        x = (x * brightness).clamp(0, 1)
        middle = (grey(x) if x.shape[1] == len(GREY) else x).mean(dim=(1, 2, 3), keepdim=True)
        x = (middle + (x - middle) * contrast).clamp(0, 1)
        if x.shape[1] != len(GREY):
            return x
        x = (grey(x) + (x - grey(x)) * saturation).clamp(0, 1)
        return hue_turned(x, turn_B).clamp(0, 1)


def draw(count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Returns numbers from 0 to 1, the same on every device."""
    return torch.rand(count, generator=generator).to(device)


def cropped(x: Tensor, size_B2: Tensor, centre_B2: Tensor, mirrored_B: Tensor) -> Tensor:
    """Returns the crop of each picture, brought to the picture's own size (bilinear)."""
    theta = x.new_zeros(len(x), 2, 3)
    theta[:, 0, 0] = torch.where(mirrored_B, -size_B2[:, 0], size_B2[:, 0])
    theta[:, 1, 1] = size_B2[:, 1]
    theta[:, :, 2] = 2 * centre_B2 - 1
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def grey(x: Tensor) -> Tensor:
    """Returns the luminance of pictures (B, 3, H, W) as (B, 1, H, W)."""
    return (x * x.new_tensor(GREY).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def hue_turned(x: Tensor, turn_B: Tensor) -> Tensor:
    """Returns pictures whose hues are turned by shares of a circle; luminance and saturation stay."""
    to_yiq = x.new_tensor(TO_YIQ)
    turned = torch.zeros(len(x), 3, 3, device=x.device)
    turned[:, 0, 0] = 1
    turned[:, 1, 1] = turned[:, 2, 2] = torch.cos(2 * pi * turn_B)
    turned[:, 2, 1] = torch.sin(2 * pi * turn_B)
    turned[:, 1, 2] = -turned[:, 2, 1]
    return torch.einsum("bij,bjhw->bihw", to_yiq.inverse() @ turned @ to_yiq, x)
