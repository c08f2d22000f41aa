from torch import nn

from calrun.model.adapt.mode import in_mode


def test_a_net_is_in_evaluation_mode_only_inside() -> None:
    net = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(3))
    net[1].eval()
    with in_mode(net, training=False):
        assert not any(module.training for module in net.modules())
    assert [module.training for module in net.modules()] == [True, True, False]
