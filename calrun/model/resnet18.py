"""ResNet-18 for small pictures. He et al. 2016, "Deep Residual Learning for Image Recognition", Table 1 and Sec. 4.2.

Differs from the paper: the stem is one 3 x 3 convolution of stride 1 without pooling, as papers on pictures of 28 to 32
pixels use it. Modules carry torchvision's names, so that checkpoints of the residual stages fit.
"""

from torch import Tensor, nn

from calrun.model.adapt.picture import picture_size
from calrun.model.base import Classifier

BLOCKS_PER_STAGE = 2


def resnet18(num_classes: int, input_shape: tuple[int, ...], width: int) -> Classifier:
    """Returns a ResNet-18 with the stem for small pictures.

    Args:
        num_classes: C.
        input_shape: (channels, height, width), at least 8 x 8.
        width: channels of the first stage; 64 is ResNet-18.
    """
    channels, _, _ = picture_size("resnet18", input_shape, min_side=8)
    return Classifier(SmallPictureResNet(channels, width), 8 * width, num_classes)


class SmallPictureResNet(nn.Module):
    """Maps pictures (B, channels, H, W) to the mean over the last stage's positions, (B, 8 width)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.layer1 = _stage(width, width, stride=1)
        self.layer2 = _stage(width, 2 * width, stride=2)
        self.layer3 = _stage(2 * width, 4 * width, stride=2)
        self.layer4 = _stage(4 * width, 8 * width, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean(dim=(2, 3))


class ResidualBlock(nn.Module):
    """Adds two 3 x 3 convolutions to the input, or to its projection where the shape changes (the paper's option B)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        same_shape = stride == 1 and inputs == outputs
        self.downsample = nn.Identity() if same_shape else _projection(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.relu(self.bn1(self.conv1(x)))
        sum_: Tensor = self.bn2(self.conv2(inner)) + self.downsample(x)
        out: Tensor = self.relu(sum_)
        return out


def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    blocks = [ResidualBlock(inputs, outputs, stride)]
    blocks += [ResidualBlock(outputs, outputs, stride=1) for _ in range(BLOCKS_PER_STAGE - 1)]
    return nn.Sequential(*blocks)


def _projection(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
