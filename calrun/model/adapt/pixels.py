"""Networks that classify each pixel: a linear head at every position of a feature map, enlarged to the picture.

Long et al. 2015, "Fully Convolutional Networks for Semantic Segmentation", Sec. 3.

Dimension key: B batch, C classes, D features, H W height and width of the picture, h w those of the feature map.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calrun.model.base import Classifier, Output

Enlarge = Callable[[Tensor, tuple[int, int]], Tensor]  # (B, C, h, w) and (H, W) to (B, C, H, W)


class PixelClassifier(Classifier):
    """A backbone that gives a map of features, and a linear head at each of its positions.

    The features of a row are the mean over the positions of its map (global average pooling).

    Args:
        backbone: maps x (B, channels, H, W) to a feature map (B, D, h, w).
        num_features: D.
        num_classes: C.
        dropout: probability of dropping a whole feature before the head; 0 adds no dropout layer.
        enlarge: brings logits to the size of the picture.
    """

    def __init__(
        self, backbone: nn.Module, num_features: int, num_classes: int, dropout: float, enlarge: Enlarge
    ) -> None:
        super().__init__(backbone, num_features, num_classes)
        self.dropout = nn.Dropout2d(dropout) if dropout > 0 else nn.Identity()
        self.enlarge = enlarge

    def _answer(self, seen: Tensor, x: Tensor, taps: dict[str, Tensor]) -> Output:
        height, width = x.shape[-2:]
        logits = self.head(self.dropout(seen).movedim(1, 3)).movedim(3, 1)
        return Output(self.enlarge(logits, (height, width)), seen.mean(dim=(2, 3)), taps)


def interpolated(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Returns logits (B, C, h, w) enlarged to a size by bilinear interpolation."""
    return F.interpolate(logits, size, mode="bilinear", align_corners=False)


class FixedEnlargement(nn.Module):
    """Enlarges logits by a transposed convolution with a fixed bilinear kernel, and cuts them to the picture.

    Within the picture it is bilinear interpolation; towards the border it fades, for nothing lies beyond.

    Args:
        factor: how many pixels a position of the map stands for; even.
    """

    kernel: Tensor

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor
        weight = 1 - (torch.arange(2 * factor) + 0.5 - factor).abs() / factor
        self.register_buffer("kernel", torch.outer(weight, weight), persistent=False)

    def forward(self, logits: Tensor, size: tuple[int, int]) -> Tensor:
        num_classes, factor = logits.shape[1], self.factor
        kernel = self.kernel.to(logits.dtype).expand(num_classes, 1, -1, -1)
        whole = F.conv_transpose2d(logits, kernel, stride=factor, padding=factor // 2, groups=num_classes)
        return whole[..., : size[0], : size[1]]
