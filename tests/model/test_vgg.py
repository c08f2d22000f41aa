import pytest
import torch
from torch import nn

from calrun.model.vgg import vgg

PAPER = {  # Simonyan and Zisserman 2015, Table 1: channels, and M for a pooling
    11: [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    19: [64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4, "M"],
}


@pytest.mark.parametrize("depth", PAPER)
def test_layers_are_those_of_the_papers_table(depth: int) -> None:
    net = vgg(10, (3, 32, 32), depth, width=64)
    found: list[int | str] = []
    for layer in net.backbone.features:  # type: ignore[union-attr]
        if isinstance(layer, nn.Conv2d):
            found.append(layer.out_channels)
        elif isinstance(layer, nn.MaxPool2d):
            found.append("M")
    assert found == PAPER[depth]
    assert net.head.in_features == 512


@pytest.mark.parametrize(("side", "left"), [(32, 1), (28, 1), (64, 2), (8, 1)])
def test_pictures_of_other_sizes_are_halved_and_rounded_up(side: int, left: int) -> None:
    net = vgg(4, (1, side, side), 11, width=2).eval()
    assert net.backbone.features(torch.zeros(1, 1, side, side)).shape[2:] == (left, left)  # type: ignore[operator]


def test_other_depths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.depth wants one of 11, 13, 16, 19, got 12"):
        vgg(10, (3, 32, 32), 12, 64)
