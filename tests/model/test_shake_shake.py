import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from calrun.model.shake_shake import ShakeBlock, Shortcut, shake_shake, shaken


def test_forward_mixes_by_one_number_and_backward_by_another() -> None:
    """Gastaldi 2017, Fig. 1: alpha in the value, beta in the gradient."""
    first, second = (torch.full((2, 1, 1, 1), value, requires_grad=True) for value in (2.0, 10.0))
    alpha, beta = torch.tensor([0.25, 1.0]).view(2, 1, 1, 1), torch.tensor([0.75, 0.0]).view(2, 1, 1, 1)
    out = shaken(first, second, alpha, beta)
    torch.testing.assert_close(out.flatten(), torch.tensor([0.25 * 2 + 0.75 * 10, 2.0]))
    out.sum().backward()
    assert first.grad is not None
    assert second.grad is not None
    assert first.grad.flatten().tolist() == [0.75, 0.0]
    assert second.grad.flatten().tolist() == [0.25, 1.0]


def test_each_picture_has_a_number_of_its_own_and_evaluation_takes_the_half() -> None:
    block = ShakeBlock(4, 4, 1)
    for each, value in ((block.branch1, 0.0), (block.branch2, 1.0)):
        nn.init.zeros_(each[-1].weight)  # type: ignore[arg-type]
        nn.init.constant_(each[-1].bias, value)  # type: ignore[arg-type]
    x = torch.zeros(50, 4, 2, 2)
    torch.manual_seed(0)
    shares_B4 = block.train()(x).flatten(2).mean(dim=2)
    assert (shares_B4 == shares_B4[:, :1]).all()
    assert len(shares_B4[:, 0].unique()) == 50
    assert 0.0 <= shares_B4.min() < 0.2 < 0.8 < shares_B4.max() <= 1.0
    assert (block.eval()(x) == 0.5).all()


def test_the_shortcut_is_the_codes_pooling_of_single_pixels() -> None:
    """owruby's Shortcut, written out: average pooling of size 1 with stride 2, one path shifted by a pixel."""
    torch.manual_seed(0)
    layer, x = Shortcut(4, 6, 2).eval(), torch.randn(2, 4, 8, 8)
    h = F.relu(x)
    first = layer.conv1(F.avg_pool2d(h, 1, 2))
    second = layer.conv2(F.avg_pool2d(F.pad(h, (-1, 1, -1, 1)), 1, 2))
    torch.testing.assert_close(layer(x), layer.bn(torch.cat((first, second), 1)))


def test_depth_14_has_two_blocks_in_each_stage_and_weights_drawn_as_the_code_does() -> None:
    torch.manual_seed(0)
    net = shake_shake(10, (3, 32, 32), depth=14, width=32)
    backbone = net.backbone
    assert [len(stage) for stage in (backbone.layer1, backbone.layer2, backbone.layer3)] == [2, 2, 2]  # type: ignore[arg-type]
    assert net.head.in_features == 128
    assert net.head.bias.eq(0).all()
    weight = backbone.get_parameter("layer3.1.branch2.4.weight")
    assert weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 128)), rel=0.02)


@pytest.mark.parametrize(("depth", "width", "said"), [(15, 32, "2 plus a multiple of 6"), (14, 31, "an even number")])
def test_other_sizes_are_refused(depth: int, width: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        shake_shake(10, (3, 32, 32), depth, width)
