from pathlib import Path

import pytest
import torch
import torchvision

from calrun.model.base import Classifier
from calrun.model.torchvision import torchvision_classifier


def build(
    model_name: str, shape: tuple[int, ...] = (3, 32, 32), checkpoint: Path | None = None, **more: object
) -> Classifier:
    path = None if checkpoint is None else str(checkpoint)
    return torchvision_classifier(5, shape, model_name, pretrained=False, checkpoint=path, checkpoint_prefix="", **more)


@pytest.mark.parametrize(
    ("model_name", "num_features"),
    [
        ("resnet18", 512),
        ("densenet121", 1024),
        ("mobilenet_v3_small", 1024),
        ("efficientnet_b0", 1280),
        ("googlenet", 1024),
    ],
)
def test_features_are_what_the_last_linear_layer_took(model_name: str, num_features: int) -> None:
    net = build(model_name)
    assert net.head.in_features == num_features
    assert net.train()(torch.zeros(2, 3, 32, 32)).features_BD.shape == (2, num_features)


def test_a_vision_transformer_takes_its_own_argument_for_the_size() -> None:
    assert build("vit_b_16", image_size=32).head.in_features == 768


def test_the_checkpoints_own_head_is_left_out_and_the_rest_is_loaded(tmp_path: Path) -> None:
    torch.manual_seed(0)
    original = torchvision.models.resnet18().eval()
    torch.save(original.state_dict(), tmp_path / "resnet18.pt")
    net = build("resnet18", checkpoint=tmp_path / "resnet18.pt").eval()
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(original(x), original.fc(net(x).features_BD))


def test_an_argument_that_the_network_does_not_have_is_named() -> None:
    with pytest.raises(ValueError, match=r"resnet18 cannot be built .* check its further arguments \['depth'\]"):
        build("resnet18", depth=3)


def test_an_unknown_name_is_answered_with_the_closest() -> None:
    with pytest.raises(ValueError, match=r"not model_name='resnet81'; the closest are resnet18"):
        build("resnet81")


def test_a_network_without_a_linear_end_is_refused() -> None:
    with pytest.raises(ValueError, match=r"squeezenet1_1 ends in AdaptiveAvgPool2d \(classifier.3\)"):
        build("squeezenet1_1")


def test_a_refused_input_says_what_the_network_said() -> None:
    with pytest.raises(ValueError, match=r"refuses inputs of shape \(3, 32, 32\) \(Wrong image height! Expected 224"):
        build("vit_b_16")


def test_vectors_are_no_pictures() -> None:
    with pytest.raises(ValueError, match=r"wants pictures .* shape \(64,\)"):
        build("resnet18", shape=(64,))


def test_weights_come_from_one_place() -> None:
    with pytest.raises(ValueError, match=r"pretrained=true and checkpoint=weights\.pt"):
        torchvision_classifier(
            5, (3, 32, 32), "resnet18", pretrained=True, checkpoint="weights.pt", checkpoint_prefix=""
        )
