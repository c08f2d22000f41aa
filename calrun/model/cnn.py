"""A small convolutional network for pictures of 8 x 8 to 32 x 32, made so that whole runs on a CPU stay short."""

from torch import nn

from calrun.model.adapt.numbered import numbered
from calrun.model.adapt.picture import picture_size
from calrun.model.base import Classifier


def cnn(num_classes: int, input_shape: tuple[int, ...], width: int, dropout: float) -> Classifier:
    """Returns two convolutions with pooling and a hidden layer, all with BatchNorm; 4 x `width` features.

    Pooling comes before BatchNorm and ReLU, which leaves a quarter of the values to normalise.

    Args:
        num_classes: C.
        input_shape: (channels, height, width), at least 8 x 8.
        width: channels of the first convolution; the second has twice as many, the hidden layer four times.
        dropout: probability of dropping a channel before and a unit after the hidden layer; 0 adds no dropout layer.
    """
    channels, height, side = picture_size("cnn", input_shape, min_side=8)
    layers = [
        *_stage(channels, width),
        *_stage(width, 2 * width),
        *([nn.Dropout2d(dropout)] if dropout > 0 else []),
        nn.Flatten(),
        nn.Linear(2 * width * (height // 4) * (side // 4), 4 * width, bias=False),
        nn.BatchNorm1d(4 * width),
        nn.ReLU(),
        *([nn.Dropout(dropout)] if dropout > 0 else []),
    ]
    return Classifier(numbered(layers), 4 * width, num_classes)


def _stage(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    ]
