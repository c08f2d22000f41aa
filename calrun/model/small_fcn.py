"""A small fully convolutional network for pictures of 8 x 8 to 96 x 96, made so that runs on a CPU stay short.

Long et al. 2015, "Fully Convolutional Networks for Semantic Segmentation": a coarse map that knows what, added to a
finer one that knows where.

Dimension key: B batch, H W height and width.
"""

import torch
from torch import Tensor, nn

from calrun.model.adapt.picture import picture_size
from calrun.model.adapt.pixels import PixelClassifier, interpolated


def small_fcn(num_classes: int, input_shape: tuple[int, ...], width: int, dropout: float) -> PixelClassifier:
    """Returns six convolutions with BatchNorm at full, half and quarter size; 4 x `width` features at half size.

    Args:
        num_classes: C.
        input_shape: (channels, height, width), at least 8 x 8.
        width: channels of the first convolution.
        dropout: probability of dropping a feature before the head; 0 adds no dropout layer.
    """
    channels, _, _ = picture_size("small_fcn", input_shape, min_side=8)
    return PixelClassifier(TwoSizes(channels, width), 4 * width, num_classes, dropout, interpolated)


class TwoSizes(nn.Module):
    """Maps pictures (B, channels, H, W) to features (B, 4 width, H / 2, W / 2) made at half and quarter size."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.fine = nn.Sequential(*_layer(channels, width), *_layer(width, 2 * width, stride=2))
        self.coarse = nn.Sequential(
            *_layer(2 * width, 4 * width, stride=2),
            *_layer(4 * width, 4 * width, dilation=2),
            *_layer(4 * width, 4 * width, dilation=4),
        )
        self.both = nn.Sequential(*_layer(6 * width, 4 * width))

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(x)
        height, width = fine.shape[-2:]
        coarse = interpolated(self.coarse(fine), (height, width))
        both: Tensor = self.both(torch.cat([fine, coarse], dim=1))
        return both


def _layer(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, stride, padding=dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    ]
