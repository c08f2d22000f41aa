"""VDCNN of depth 9 on characters. Conneau, Schwenk, Barrault and LeCun 2017, "Very Deep Convolutional Networks for Text
Classification", Secs. 3 and 4, Table 2.

Nine convolutions, with pooling where channels double, as the paper found best (max-pooling of size 3 and stride 2), and
no shortcuts. k-max pooling with k = 8 leaves 4,096 values for three fully connected layers.

Differs from the code of Das et al. 2023, which takes the maximum over all positions in place of the 8 largest of each
channel (512 values), and a head of 5 outputs for the 2 classes of Amazon's polarity.

Dimension key: B batch, T characters.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from calrun.dataset.source.ragged import PADDING
from calrun.model.base import Classifier

EMBEDDING, KERNEL, KEPT, HIDDEN = 16, 3, 8, 2048
CHANNELS = (64, 128, 256, 512)  # of the blocks, each of two convolutions: 1 + 2 x 4 = 9
LEAST_LENGTH = KEPT * 2 ** (len(CHANNELS) - 1)


def vdcnn9(num_classes: int, input_shape: tuple[int, ...], vocabulary: int | None, length: int) -> Classifier:
    """Returns the network; its features are what its last linear layer is given.

    Args:
        num_classes: C.
        input_shape: (T,), the characters of the longest text.
        vocabulary: how many values a character can have, padding included; `None` if rows are no characters.
        length: what every text is padded to (the paper: 1,014), whatever its batch: padding has an embedding of its own
            and takes part in BatchNorm and pooling.
    """
    if vocabulary is None:
        raise ValueError(
            f"model=vdcnn9 wants texts, but the data set gives inputs of shape {tuple(input_shape)}; choose "
            "dataset=amazon_polarity, say, or another model"
        )
    if not max(LEAST_LENGTH, input_shape[0]) <= length:
        raise ValueError(
            f"model.length is {length}, but model=vdcnn9 wants at least {LEAST_LENGTH}, and the data set's texts have "
            f"up to {input_shape[0]} characters; raise it, or lower dataset.max_length"
        )
    stages: list[nn.Module] = [nn.Conv1d(EMBEDDING, CHANNELS[0], KERNEL, padding=1)]
    for inputs, outputs in zip((CHANNELS[0], *CHANNELS), CHANNELS, strict=False):
        stages += [nn.MaxPool1d(KERNEL, stride=2, padding=1)] if inputs != outputs else []
        stages += [*_convolution(inputs, outputs), *_convolution(outputs, outputs)]
    backbone = nn.Sequential(
        Characters(vocabulary, length),
        *stages,
        LargestOfEach(KEPT),
        nn.Flatten(),
        *(nn.Linear(KEPT * CHANNELS[-1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU()),
    )
    for module in backbone.modules():
        if isinstance(module, nn.Conv1d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")  # the paper's initialisation
    return Classifier(backbone, HIDDEN, num_classes)


class Characters(nn.Module):
    """Maps characters (B, T) to their embeddings (B, 16, length), padded to one length."""

    def __init__(self, vocabulary: int, length: int) -> None:
        super().__init__()
        self.length = length
        self.embedding = nn.Embedding(vocabulary, EMBEDDING)

    def forward(self, x: Tensor) -> Tensor:
        padded: Tensor = self.embedding(F.pad(x, (0, self.length - x.shape[1]), value=PADDING))
        return padded.transpose(1, 2)


class LargestOfEach(nn.Module):
    """Keeps the k largest values of each channel, in the order in which they stand (k-max pooling)."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        places = x.topk(self.k, dim=2, sorted=False).indices.sort(dim=2).values
        return x.gather(2, places)


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv1d(inputs, outputs, KERNEL, padding=1), nn.BatchNorm1d(outputs), nn.ReLU()]
