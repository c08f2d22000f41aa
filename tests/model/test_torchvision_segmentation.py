from pathlib import Path

import pytest
import torch
import torchvision

from calrun.model.adapt.pixels import PixelClassifier
from calrun.model.torchvision_segmentation import torchvision_segmentation

SMALL = "lraspp_mobilenet_v3_large"


def build(model_name: str, shape: tuple[int, ...] = (3, 64, 64), checkpoint: Path | None = None) -> PixelClassifier:
    path = None if checkpoint is None else str(checkpoint)
    return torchvision_segmentation(21, shape, model_name, pretrained=False, checkpoint=path, checkpoint_prefix="")


def original(model_name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    net = torchvision.models.get_model(model_name, weights=None, weights_backbone=None)
    assert isinstance(net, torch.nn.Module)
    return net.eval()


@pytest.mark.parametrize(
    ("model_name", "num_features"),
    [("fcn_resnet50", 512), ("deeplabv3_mobilenet_v3_large", 256), (SMALL, 168)],
)
def test_with_its_own_weights_it_answers_as_torchvisions_network(
    model_name: str, num_features: int, tmp_path: Path
) -> None:
    theirs, x = original(model_name), torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    torch.save(theirs.state_dict(), tmp_path / "net.pt")
    net = build(model_name, checkpoint=tmp_path / "net.pt").eval()
    assert net.head.in_features == num_features
    with torch.no_grad():
        if model_name == SMALL:
            low, high = theirs.classifier.low_classifier, theirs.classifier.high_classifier  # type: ignore[union-attr]
            net.head.weight.copy_(torch.cat([low.weight, high.weight], dim=1).flatten(1))  # type: ignore[union-attr,arg-type,list-item]
            net.head.bias.copy_(low.bias + high.bias)  # type: ignore[union-attr,operator]
        else:
            last = theirs.classifier[-1]  # type: ignore[index]
            net.head.weight.copy_(last.weight.flatten(1))
            net.head.bias.copy_(last.bias)
        torch.testing.assert_close(net(x).logits_BC, theirs(x)["out"], rtol=1e-4, atol=1e-5)


def test_pictures_of_other_than_three_channels_fit() -> None:
    assert build(SMALL, (1, 32, 32)).eval()(torch.zeros(1, 1, 32, 32)).logits_BC.shape == (1, 21, 32, 32)


def test_an_unknown_name_is_answered_with_the_closest() -> None:
    with pytest.raises(ValueError, match=r"not model_name='fcn_resnet51'; the closest are fcn_resnet50"):
        build("fcn_resnet51")


def test_a_classifier_is_no_segmentation_network() -> None:
    with pytest.raises(ValueError, match=r"torchvision_segmentation knows \d+ networks but not model_name='resnet18'"):
        build("resnet18")


def test_vectors_are_no_pictures() -> None:
    with pytest.raises(ValueError, match=r"wants pictures .* shape \(64,\)"):
        build(SMALL, (64,))
