import pytest
import torch
from torch import nn

from calrun.model.cnn import cnn


@pytest.mark.parametrize("side", [8, 11, 28, 32])
def test_features_are_four_times_the_width_whatever_the_side(side: int) -> None:
    net = cnn(10, (1, side, side), width=4, dropout=0.0)
    assert net(torch.zeros(2, 1, side, side)).features_BD.shape == (2, 16)


def test_dropout_of_0_adds_no_layer_and_above_0_two() -> None:
    for dropout, expected in [(0.0, 0), (0.3, 2)]:
        net = cnn(10, (1, 8, 8), width=4, dropout=dropout)
        drops = [module.p for module in net.modules() if isinstance(module, nn.Dropout | nn.Dropout2d)]
        assert drops == [dropout] * expected


def test_it_learns_to_tell_stripes_apart() -> None:
    torch.manual_seed(0)
    y = torch.arange(40) % 2
    stripes = torch.zeros(2, 1, 8, 8)
    stripes[0, 0, ::2], stripes[1, 0, :, ::2] = 1.0, 1.0
    x = stripes[y] + 0.3 * torch.randn(40, 1, 8, 8)
    net = cnn(2, (1, 8, 8), width=4, dropout=0.0)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(30):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x).logits_BC, y).backward()
        optimizer.step()
    assert (net.eval()(x).logits_BC.argmax(dim=1) == y).all()


def test_a_vector_is_no_picture() -> None:
    with pytest.raises(ValueError, match="model=cnn wants pictures"):
        cnn(10, (64,), width=4, dropout=0.0)
