"""DLA for small pictures. Yu et al. 2018, "Deep Layer Aggregation", Sec. 3 and Table 1, in DISTIL's form.

Differs from the paper, as in the code that Beck et al. 2021 train on CIFAR-10: the first layers keep the picture's
size, so that an eighth of it is left, and a tree's root does not see the tree's own input.
"""

import torch
from torch import Tensor, nn

from calrun.model.adapt.picture import picture_size
from calrun.model.base import Classifier
from calrun.model.resnet18 import ResidualBlock


def dla(num_classes: int, input_shape: tuple[int, ...], width: int) -> Classifier:
    """Returns three plain layers and four trees of residual blocks.

    Args:
        num_classes: C.
        input_shape: (channels, height, width), at least 8 x 8.
        width: channels of the first layer, of which the features are 32 times as many; 16.
    """
    channels, _, _ = picture_size("dla", input_shape, min_side=8)
    return Classifier(DeepLayerAggregation(channels, width), 32 * width, num_classes)


class DeepLayerAggregation(nn.Module):
    """Maps pictures (B, channels, H, W) to the mean over the last tree's positions, (B, 32 width)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.base = _plain(channels, width)
        self.layer1 = _plain(width, width)
        self.layer2 = _plain(width, 2 * width)
        self.layer3 = Tree(2 * width, 4 * width, level=1, stride=1)
        self.layer4 = Tree(4 * width, 8 * width, level=2, stride=2)
        self.layer5 = Tree(8 * width, 16 * width, level=2, stride=2)
        self.layer6 = Tree(16 * width, 32 * width, level=1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = layer(x)
        return x.mean(dim=(2, 3))


class Tree(nn.Module):
    """Smaller trees one after the other, then two blocks; a 1 x 1 convolution joins the outputs of all of them.

    Args:
        inputs: channels that come.
        outputs: channels that go.
        level: 1 has no smaller trees, 2 has one of level 1, and so on.
        stride: of the first layer.
    """

    def __init__(self, inputs: int, outputs: int, level: int, stride: int) -> None:
        super().__init__()
        self.trees = nn.ModuleList()
        for smaller in reversed(range(1, level)):
            self.trees.append(Tree(inputs, outputs, smaller, stride))
            inputs, stride = outputs, 1
        self.left_node = ResidualBlock(inputs, outputs, stride)
        self.right_node = ResidualBlock(outputs, outputs, stride=1)
        self.root = nn.Sequential(
            nn.Conv2d((level + 1) * outputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        seen = []
        for node in (*self.trees, self.left_node, self.right_node):
            x = node(x)
            seen.append(x)
        joined: Tensor = self.root(torch.cat(seen, dim=1))
        return joined


def _plain(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
