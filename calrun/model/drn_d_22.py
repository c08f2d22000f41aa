"""DRN-D-22. Yu et al. 2017, "Dilated Residual Networks", Sec. 4 and Fig. 5 (d), as it segments in Sec. 5.3.

Modules carry the names of the authors' released weights (github.com/fyu/drn, drn_d_22-4bd2f8ea.pth); the weights of
their segmentation network, base.0 to base.8, seg and up, are known by the same names, so that both fit. The head is a
linear layer at every position instead of a 1 x 1 convolution, which is the same.

Dimension key: B batch, C classes, H W height and width.
"""

import math

from torch import Tensor, nn

from calrun.model.adapt.checkpoint import weights_for
from calrun.model.adapt.picture import picture_size
from calrun.model.adapt.pixels import FixedEnlargement, PixelClassifier

CHANNELS = (16, 32, 64, 128, 256, 512, 512, 512)  # of layers 1 to 8; layer 0 has those of layer 1
BLOCKS = 2  # of each of the layers 3 to 6
STRIDE = 8  # pixels of the picture for each position of the last map
LAYER, AS_SEGMENTATION = "layer", "base."  # beginnings of names, of the classifier and of the segmentation network
HEADS = ("fc.", "seg.", "up.")  # of the classifier, of the segmentation network, and its fixed enlargement


def drn_d_22(
    num_classes: int,
    input_shape: tuple[int, ...],
    dropout: float,
    checkpoint: str | None,
    checkpoint_prefix: str | None,
) -> PixelClassifier:
    """Returns the network with 512 features at an eighth of the size, and fixed bilinear enlargement by 8.

    Args:
        num_classes: C.
        input_shape: (channels, height, width), at least 16 x 16.
        dropout: probability of dropping a feature before the head; 0 adds no dropout layer.
        checkpoint: a local file of the released weights, of the classifier or of the segmentation network; their heads
            are left out. `None` draws weights as the authors do.
        checkpoint_prefix: what comes before those names in the file, such as module.; `None` finds it.

    Raises:
        ValueError: if the inputs are no such pictures, or the weights do not fit.
    """
    channels, _, _ = picture_size("drn_d_22", input_shape, min_side=2 * STRIDE)
    net = PixelClassifier(DilatedResNet(channels), CHANNELS[-1], num_classes, dropout, FixedEnlargement(STRIDE))
    if checkpoint is not None:
        load_released(net.backbone, checkpoint, checkpoint_prefix)
    return net


def load_released(backbone: nn.Module, checkpoint: str, prefix: str | None) -> None:
    """Fills a backbone from weights of the classifier or of the segmentation network.

    Raises:
        ValueError: if the file fits neither.
    """
    wanted = backbone.state_dict()
    renamed = {f"{AS_SEGMENTATION}{name.removeprefix(LAYER)}": name for name in wanted}
    try:
        weights = weights_for(wanted, checkpoint, prefix, HEADS)
    except ValueError as error:
        try:
            found = weights_for({name: wanted[own] for name, own in renamed.items()}, checkpoint, prefix, HEADS)
        except ValueError:
            raise error from None
        weights = {renamed[name]: value for name, value in found.items()}
    backbone.load_state_dict(weights, strict=False)  # strict but for the counters: checked before


class DilatedResNet(nn.Module):
    """Maps pictures (B, channels, H, W) to features (B, 512, H / 8, W / 8), of each rounded up."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        one, two, three, four, five, six, seven, eight = CHANNELS
        self.layer0 = _plain(channels, one, kernel=7)
        self.layer1 = _plain(one, one)
        self.layer2 = _plain(one, two, stride=2)
        self.layer3 = _residual(two, three, stride=2)
        self.layer4 = _residual(three, four, stride=2)
        self.layer5 = _residual(four, five, dilation=2)
        self.layer6 = _residual(five, six, dilation=4)
        self.layer7 = _plain(six, seven, dilation=2)
        self.layer8 = _plain(seven, eight)
        self.apply(_draw)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = layer(x)
        return x


class DilatedBlock(nn.Module):
    """Adds two 3 x 3 convolutions to the input, or to its projection where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=dilation, dilation=dilation, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.relu(self.bn1(self.conv1(x)))
        sum_: Tensor = self.bn2(self.conv2(inner)) + self.downsample(x)
        out: Tensor = self.relu(sum_)
        return out


def _plain(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def _residual(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    blocks = [DilatedBlock(inputs, outputs, stride, dilation)]
    blocks += [DilatedBlock(outputs, outputs, 1, dilation) for _ in range(BLOCKS - 1)]
    return nn.Sequential(*blocks)


def _draw(module: nn.Module) -> None:
    """Draws a convolution's weights as the authors do, from a normal distribution of variance 2 / (k k outputs)."""
    if isinstance(module, nn.Conv2d):
        fan = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan))
