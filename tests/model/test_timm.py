from pathlib import Path

import pytest
import timm
import torch

from calrun.model.base import Classifier
from calrun.model.timm import timm_classifier


def build(
    model_name: str, shape: tuple[int, ...] = (3, 32, 32), checkpoint: Path | None = None, **more: object
) -> Classifier:
    path = None if checkpoint is None else str(checkpoint)
    return timm_classifier(5, shape, model_name, pretrained=False, checkpoint=path, checkpoint_prefix="", **more)


@pytest.mark.parametrize("model_name", ["test_resnet", "test_convnext", "test_efficientnet"])
def test_convolutional_networks_take_small_grey_pictures(model_name: str) -> None:
    net = build(model_name, (1, 32, 32))
    assert net(torch.zeros(2, 1, 32, 32)).logits_BC.shape == (2, 5)


def test_a_transformer_takes_its_own_argument_for_the_size() -> None:
    assert build("test_vit", img_size=32)(torch.zeros(2, 3, 32, 32)).logits_BC.shape == (2, 5)


def test_the_checkpoints_own_head_is_left_out_and_the_rest_is_loaded(tmp_path: Path) -> None:
    torch.manual_seed(0)
    original = timm.create_model("test_resnet", num_classes=7).eval()
    torch.save({"state_dict": original.state_dict()}, tmp_path / "weights.pt")
    net = build("test_resnet", checkpoint=tmp_path / "weights.pt").eval()
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(original(x), original.get_classifier()(net(x).features_BD))


def test_an_unknown_name_is_answered_with_the_closest() -> None:
    with pytest.raises(ValueError, match=r"not model_name='resnet_18'; the closest are .*resnet18"):
        build("resnet_18")


def test_a_refused_size_says_what_the_network_said() -> None:
    with pytest.raises(
        ValueError, match=r"patch16_224 refuses inputs of shape \(3, 32, 32\) \(Input height \(32\) doesn't match"
    ):
        build("vit_tiny_patch16_224")


def test_an_argument_that_the_network_does_not_have_is_named() -> None:
    with pytest.raises(ValueError, match=r"test_resnet cannot be built .* check its further arguments \['img_size'\]"):
        build("test_resnet", img_size=32)
