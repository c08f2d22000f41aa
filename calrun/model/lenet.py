"""The LeNet-like network for MNIST. Beck et al. 2021, "Effective Evaluation of Deep Active Learning", App. A.4.

The paper prints no widths; those of its public notebooks stand in the YAML.
"""

from collections.abc import Sequence

from torch import nn

from calrun.model.adapt.picture import picture_size
from calrun.model.base import Classifier


def lenet(
    num_classes: int,
    input_shape: tuple[int, ...],
    channels: Sequence[int],
    hidden: int,
    dropout_conv: float,
    dropout_hidden: float,
) -> Classifier:
    """Returns two convolutions, max pooling, 2-D dropout, a hidden layer and dropout, in the paper's order.

    Differs from the paper: the second dropout is `Dropout`; on a vector, 2-D dropout drops the same single units.

    Args:
        num_classes: C.
        input_shape: (channels, height, width), at least 8 x 8.
        channels: outputs of the two convolutions.
        hidden: units of the fully connected layer, the number of features.
        dropout_conv: probability of dropping a channel after pooling.
        dropout_hidden: probability of dropping a hidden unit.
    """
    inputs, height, width = picture_size("lenet", input_shape, min_side=8)
    first, second = channels
    pooled = ((height - 4) // 2) * ((width - 4) // 2)
    backbone = nn.Sequential(
        nn.Conv2d(inputs, first, 3),
        nn.ReLU(),
        nn.Conv2d(first, second, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout2d(dropout_conv),
        nn.Flatten(),
        nn.Linear(second * pooled, hidden),
        nn.ReLU(),
        nn.Dropout(dropout_hidden),
    )
    return Classifier(backbone, hidden, num_classes)
