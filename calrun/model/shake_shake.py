"""A shake-shake network for small pictures. Gastaldi 2017, "Shake-Shake regularization", Sec. 2 and Table 1.

Beck et al. 2021 (DISTIL), App. C, call depth 14 with 32 channels a shake-shake-regularized ResNet-18; modules, strides
and first weights are those of the code that their notebooks clone (owruby/shake-shake_pytorch).

Dimension key: B batch.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calrun.model.adapt.picture import picture_size
from calrun.model.base import Classifier

STEM = 16  # channels of the first convolution
LAYERS_PER_BLOCK = 6  # two convolutions in each of three stages add 6 to the depth


def shake_shake(num_classes: int, input_shape: tuple[int, ...], depth: int, width: int) -> Classifier:
    """Returns three stages of residual blocks with two branches each, mixed at random while training.

    Args:
        num_classes: C.
        input_shape: (channels, height, width), at least 8 x 8.
        depth: 2 + 6 blocks of each stage; 14 in Beck et al., 26 in Gastaldi.
        width: channels of the first stage; 32 in Beck et al.

    Raises:
        ValueError: the depth is none of 8, 14, 20, ..., the width is odd, or the inputs are no such pictures.
    """
    channels, _, _ = picture_size("shake_shake", input_shape, min_side=8)
    if depth < LAYERS_PER_BLOCK + 2 or (depth - 2) % LAYERS_PER_BLOCK:
        raise ValueError(f"model.depth wants 2 plus a multiple of 6, such as 14 or 26, got {depth}")
    if width < 2 or width % 2:
        raise ValueError(f"model.width wants an even number of channels of at least 2, got {width}; the study's is 32")
    net = Classifier(ShakeNet(channels, (depth - 2) // LAYERS_PER_BLOCK, width), 4 * width, num_classes)
    nn.init.zeros_(net.head.bias)
    return net


class ShakeNet(nn.Module):
    """Maps pictures (B, channels, H, W) to the mean over the last stage's positions, (B, 4 width)."""

    def __init__(self, channels: int, blocks: int, width: int) -> None:
        super().__init__()
        self.c_in = nn.Conv2d(channels, STEM, 3, padding=1)
        self.layer1 = _stage(blocks, STEM, width, stride=1)
        self.layer2 = _stage(blocks, width, 2 * width, stride=2)
        self.layer3 = _stage(blocks, 2 * width, 4 * width, stride=2)
        self.apply(_draw)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.c_in(x))))
        return F.relu(x).mean(dim=(2, 3))


class ShakeBlock(nn.Module):
    """Adds a mixture of two branches to the input, or to its shortcut where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        same_shape = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same_shape else Shortcut(inputs, outputs, stride)
        self.branch1, self.branch2 = _branch(inputs, outputs, stride), _branch(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.branch1(x), self.branch2(x)
        kept: Tensor = self.shortcut(x)
        if not self.training:
            return kept.add(first + second, alpha=0.5)
        alpha_B111, beta_B111 = torch.rand(2, len(x), 1, 1, 1, device=x.device, dtype=first.dtype)
        return kept + shaken(first, second, alpha_B111, beta_B111)


class Shortcut(nn.Module):
    """Halves the picture by two paths, shifted against each other by one pixel, of half the channels each."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(inputs, outputs // 2, 1, bias=False)
        self.conv2 = nn.Conv2d(inputs, outputs // 2, 1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        shifted = F.pad(x, (-1, 1, -1, 1))
        halves = [self.conv1(x[..., :: self.stride, :: self.stride])]
        halves.append(self.conv2(shifted[..., :: self.stride, :: self.stride]))
        out: Tensor = self.bn(torch.cat(halves, dim=1))
        return out


def shaken(first: Tensor, second: Tensor, alpha_B111: Tensor, beta_B111: Tensor) -> Tensor:
    """Returns alpha * first + (1 - alpha) * second, whose gradient is that of beta * first + (1 - beta) * second."""
    backward = beta_B111 * first + (1 - beta_B111) * second
    return backward + ((alpha_B111 - beta_B111) * (first - second)).detach()


def _stage(blocks: int, inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        ShakeBlock(inputs, outputs, stride), *(ShakeBlock(outputs, outputs, 1) for _ in range(blocks - 1))
    )


def _branch(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
    )


def _draw(module: nn.Module) -> None:
    """Draws a convolution's weights from a normal distribution of variance 2 / (k k outputs), as the code does."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=math.sqrt(2 / (module.kernel_size[0] ** 2 * module.out_channels)))
