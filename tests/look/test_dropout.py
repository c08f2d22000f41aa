"""Monte-Carlo dropout with masks that all rows share."""

import pytest
import torch
from torch import nn

from calrun.look.dropout import consistent_masks, dropout_modules


@pytest.fixture
def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 8, 1), nn.Dropout2d(0.5), nn.BatchNorm2d(8), nn.Flatten(), nn.Dropout(0.25)
    ).eval()


def test_all_rows_share_a_mask_and_whole_channels_drop(net: nn.Sequential) -> None:
    x = torch.rand(1, 1, 3, 3).expand(6, 1, 3, 3)
    with torch.no_grad(), consistent_masks(net, seed=3):
        out = net(x)
    assert torch.equal(out, out[:1].expand_as(out))
    with torch.no_grad(), consistent_masks(net[:2], seed=3):
        channels_68 = net[:2](x).flatten(2).abs().sum(2) > 0
    assert 0 < channels_68[0].sum() < 8


def test_masks_do_not_depend_on_chunks(net: nn.Sequential) -> None:
    x = torch.rand(6, 1, 3, 3)
    with torch.no_grad(), consistent_masks(net, seed=3):
        whole, parts = net(x), torch.cat([net(x[:4]), net(x[4:])])
    torch.testing.assert_close(whole, parts)


def test_another_seed_gives_another_mask_and_the_same_one_the_same(net: nn.Sequential) -> None:
    x, outs = torch.rand(2, 1, 3, 3), []
    for seed in (1, 2, 1):
        with torch.no_grad(), consistent_masks(net, seed):
            outs.append(net(x))
    assert torch.equal(outs[0], outs[2])
    assert not torch.equal(outs[0], outs[1])


def test_the_expectation_is_kept() -> None:
    net, x = nn.Sequential(nn.Dropout(0.25)).eval(), torch.ones(1, 20_000)
    with consistent_masks(net, seed=0):
        out = net(x)
    assert out.unique().tolist() == pytest.approx([0, 1 / 0.75])
    assert out.mean().item() == pytest.approx(1, abs=0.02)


def test_the_network_is_left_as_it_was(net: nn.Sequential) -> None:
    x, state = torch.rand(2, 1, 3, 3), {name: t.clone() for name, t in net.state_dict().items()}
    before = net(x)
    with consistent_masks(net, seed=0):
        net(x)
    assert torch.equal(net(x), before)
    assert not any(module.training for module in net.modules())
    assert all(torch.equal(t, state[name]) for name, t in net.state_dict().items())


def test_a_network_without_dropout_is_refused() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.0))
    assert dropout_modules(net) == []
    with (
        pytest.raises(ValueError, match="wants a network with dropout, but this model has none"),
        consistent_masks(net, 0),
    ):
        pass
