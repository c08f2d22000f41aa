import pytest
import torch
import torchvision

from calrun.model.resnet18 import resnet18


def test_it_has_the_parameters_of_resnet18_but_for_the_stem() -> None:
    """Torchvision's stem has 7 x 7 x 3 x 64 weights, this one 3 x 3 x 3 x 64; both end in 1000 classes."""
    ours = sum(parameter.numel() for parameter in resnet18(1000, (3, 32, 32), width=64).parameters())
    theirs = sum(parameter.numel() for parameter in torchvision.models.resnet18().parameters())
    assert ours == theirs - (49 - 9) * 3 * 64


def test_with_torchvisions_weights_the_stages_compute_the_same() -> None:
    torch.manual_seed(0)
    ours, theirs = resnet18(10, (3, 32, 32), width=64).eval(), torchvision.models.resnet18().eval()
    weights = {name: value for name, value in theirs.state_dict().items() if name.startswith("layer")}
    assert ours.backbone.load_state_dict(weights, strict=False).unexpected_keys == []
    x = torch.randn(2, 64, 8, 8)
    stages = [(net.layer1, net.layer2, net.layer3, net.layer4) for net in (ours.backbone, theirs)]
    outputs = [torch.nn.Sequential(*stage)(x) for stage in stages]
    torch.testing.assert_close(*outputs)


@pytest.mark.parametrize("side", [8, 9, 28])
def test_any_side_from_8_on_will_do(side: int) -> None:
    assert resnet18(3, (1, side, side + 1), width=4)(torch.zeros(2, 1, side, side + 1)).logits_BC.shape == (2, 3)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((64,), r"\(channels, height, width\), but .* shape \(64,\); choose model=mlp for vectors"),
        ((1, 7, 8), r"of at least 8 x 8 pixels, but .* 1 channels of 7 x 8; bring them to a larger size"),
    ],
)
def test_inputs_that_are_no_pictures_are_named(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"model=resnet18 wants pictures {message}"):
        resnet18(3, shape, width=4)
