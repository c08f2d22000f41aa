import pytest
import torch
from torch import nn

from calrun.look.dropout import dropout_modules
from calrun.model.adapt.pixels import FixedEnlargement, PixelClassifier, interpolated


def net_of(dropout: float = 0.0) -> PixelClassifier:
    torch.manual_seed(0)
    return PixelClassifier(nn.Conv2d(3, 6, 3, stride=2, padding=1), 6, 4, dropout, interpolated).eval()


def test_the_head_looks_at_each_position_and_features_are_their_mean() -> None:
    net, x = net_of(), torch.randn(2, 3, 8, 10)
    output, maps = net(x), net.backbone(x)
    convolved = nn.functional.conv2d(maps, net.head.weight[:, :, None, None], net.head.bias)
    torch.testing.assert_close(output.logits_BC, interpolated(convolved, (8, 10)))
    torch.testing.assert_close(output.features_BD, maps.mean(dim=(2, 3)))


def test_dropout_lies_before_the_head_and_leaves_features_alone() -> None:
    net, x = net_of(0.5), torch.randn(2, 3, 8, 8)
    assert len(dropout_modules(net)) == 1
    whole = net(x)
    dropped = net.train()(x)
    torch.testing.assert_close(dropped.features_BD, whole.features_BD)
    assert not torch.allclose(dropped.logits_BC, whole.logits_BC)


@pytest.mark.parametrize("factor", [2, 8])
def test_the_fixed_enlargement_is_the_authors_transposed_convolution(factor: int) -> None:
    """The weights as the released code of DRN fills them, entry by entry."""
    size = 2 * factor
    weight, centre = torch.empty(3, 1, size, size), (size - 1 - (size // 2) % 2) / size
    f = size // 2
    centre = (2 * f - 1 - f % 2) / (2 * f)
    for i in range(size):
        for j in range(size):
            weight[:, 0, i, j] = (1 - abs(i / f - centre)) * (1 - abs(j / f - centre))
    logits = torch.randn(2, 3, 5, 6)
    expected = nn.functional.conv_transpose2d(logits, weight, stride=factor, padding=factor // 2, groups=3)
    found = FixedEnlargement(factor)(logits, (5 * factor, 6 * factor))
    torch.testing.assert_close(found, expected)


def test_the_fixed_enlargement_interpolates_within_the_picture_and_is_cut_to_it() -> None:
    logits = torch.randn(1, 2, 6, 6)
    found = FixedEnlargement(4)(logits, (22, 23))
    assert found.shape == (1, 2, 22, 23)
    inner = slice(4, 20)
    torch.testing.assert_close(found[..., inner, inner], interpolated(logits, (24, 24))[..., inner, inner])


def test_the_fixed_enlargement_is_no_weight() -> None:
    net = PixelClassifier(nn.Conv2d(3, 6, 8, stride=8), 6, 4, 0.0, FixedEnlargement(8))
    assert not any("kernel" in name for name in net.state_dict())
    assert {name for name, _ in net.named_parameters()} == {
        "backbone.weight", "backbone.bias", "head.weight", "head.bias",
    }  # fmt: skip
