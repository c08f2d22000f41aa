import pytest
import torch
from torch import nn

from calrun.model.mlp import mlp


def test_layers_are_linear_and_relu_by_hand() -> None:
    net = mlp(2, (2, 2), hidden=[3], dropout=0.0)
    weight_DI, bias_D = net.backbone[1].weight, net.backbone[1].bias
    x = torch.randn(5, 2, 2)
    expected = net.head((x.reshape(5, 4) @ weight_DI.T + bias_D).clamp_min(0))
    torch.testing.assert_close(net(x).logits_BC, expected)


def test_dropout_follows_every_hidden_layer() -> None:
    net = mlp(2, (6,), hidden=[3, 4, 5], dropout=0.2)
    assert sum(isinstance(module, nn.Dropout) for module in net.modules()) == 3
    assert net(torch.zeros(1, 6)).features_BD.shape == (1, 5)


@pytest.mark.parametrize("hidden", [[], [3, 0]])
def test_a_network_without_hidden_units_is_refused(hidden: list[int]) -> None:
    with pytest.raises(ValueError, match="at least one hidden layer"):
        mlp(2, (6,), hidden=hidden, dropout=0.0)
