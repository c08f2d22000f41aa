"""VGG with BatchNorm for small pictures. Simonyan and Zisserman 2015, Table 1, columns A (VGG-11) and E (VGG-19).

Differs from the paper, as in papers on pictures of 32 pixels and in the code of Beck et al. 2021: BatchNorm follows
each convolution, and one linear layer stands in place of three.
"""

from torch import Tensor, nn

from calrun.model.adapt.picture import picture_size
from calrun.model.base import Classifier

CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # between poolings
WIDENING = (1, 2, 4, 8, 8)  # of the five parts


def vgg(num_classes: int, input_shape: tuple[int, ...], depth: int, width: int) -> Classifier:
    """Returns five parts of 3 x 3 convolutions, each followed by max pooling that halves the picture, rounded up.

    Args:
        num_classes: C.
        input_shape: (channels, height, width), at least 8 x 8; of 32 x 32 one position is left.
        depth: layers with weights in the paper's network: 11, 13, 16 or 19.
        width: channels of the first part; 64.

    Raises:
        ValueError: there is no such depth, or the inputs are no such pictures.
    """
    channels, _, _ = picture_size("vgg", input_shape, min_side=8)
    if depth not in CONVOLUTIONS:
        raise ValueError(f"model.depth wants one of {', '.join(map(str, CONVOLUTIONS))}, got {depth}")
    return Classifier(Vgg(channels, depth, width), WIDENING[-1] * width, num_classes)


class Vgg(nn.Module):
    """Maps pictures (B, channels, H, W) to the mean over the positions that are left, (B, 8 width)."""

    def __init__(self, channels: int, depth: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for count, wider in zip(CONVOLUTIONS[depth], WIDENING, strict=True):
            for _ in range(count):
                layers += [nn.Conv2d(channels, wider * width, 3, padding=1), nn.BatchNorm2d(wider * width), nn.ReLU()]
                channels = wider * width
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.features(x)
        return maps.mean(dim=(2, 3))
