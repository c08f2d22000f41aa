"""ACTINN as published: 100-50-25 units, Glorot weights, biases of 0."""

import math

import torch
from torch import nn

from calrun.model.actinn import actinn


def test_layers_weights_and_output() -> None:
    torch.manual_seed(0)
    net = actinn(7, (200,)).eval()
    layers = [layer for layer in net.backbone.modules() if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in [*layers, net.head]] == [100, 50, 25, 7]
    for layer in [*layers, net.head]:
        bound = math.sqrt(6 / (layer.in_features + layer.out_features))
        assert 0.9 * bound < layer.weight.abs().max() <= bound
        assert not layer.bias.any()
    hidden = x = torch.randn(3, 200)
    for layer in layers:
        hidden = (hidden @ layer.weight.T).clamp(min=0)
    torch.testing.assert_close(net(x).features_BD, hidden)
    torch.testing.assert_close(net(x).logits_BC, hidden @ net.head.weight.T)
