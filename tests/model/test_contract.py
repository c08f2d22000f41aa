"""What every model option must obey, whatever its network."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch.func import functional_call

from calrun.model.base import Classifier

CONF = Path(__file__).parents[2] / "conf" / "model"
CHOICES: dict[str, dict[str, Any]] = {  # what the user must choose, and smaller networks for a faster test
    "resnet18": {"width": 8},
    "shake_shake": {"width": 8},
    "vgg11": {"width": 8},
    "vgg19": {"width": 8},
    "dla": {"width": 2},
    "timm": {"model_name": "test_resnet"},
    "torchvision": {"model_name": "shufflenet_v2_x0_5"},
    "torchvision_segmentation": {"model_name": "lraspp_mobilenet_v3_large"},
    "resnet50": {"model_name": "shufflenet_v2_x0_5"},
    "resnet18_224": {"model_name": "shufflenet_v2_x0_5"},
}
OPTIONS = sorted(path.stem for path in CONF.glob("*.yaml"))


PIXELS = ("drn_d_22", "small_fcn", "torchvision_segmentation")  # models that classify each pixel
BORDER = 4  # pixels within which the enlargement of drn_d_22 fades
TEXTS = {"bert_base_uncased": 62, "transformer": 62, "vdcnn9": 69}  # models of texts, with a size of vocabulary


@pytest.fixture(scope="module", autouse=True)
def small_encoder(tiny_bert: Path, tiny_vit: Path) -> None:
    """Encoders are those of small folders."""
    CHOICES["hf_vision"] = {"path": str(tiny_vit)}
    CHOICES["transformer"] = CHOICES["bert_base_uncased"] = {"path": str(tiny_bert)}


def build(option: str, channels: int) -> Classifier:
    cfg = OmegaConf.merge(OmegaConf.load(CONF / f"{option}.yaml"), CHOICES.get(option, {}))
    torch.manual_seed(0)
    told: dict[str, Any] = {"num_classes": 5, "input_shape": (channels, 32, 32)}
    if option in TEXTS:
        told |= {"input_shape": (32,), "vocabulary": TEXTS[option]}
    net = instantiate(cfg, **told)
    assert isinstance(net, Classifier)
    return net


def rows(option: str, channels: int) -> torch.Tensor:
    """Four pictures or texts."""
    generator = torch.Generator().manual_seed(1)
    if option in TEXTS:
        return torch.randint(1, TEXTS[option], (4, 32), generator=generator)
    return torch.randn(4, channels, 32, 32, generator=generator)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_logits_are_the_head_on_flat_features(option: str, channels: int) -> None:
    net = build(option, channels)
    output = net(rows(option, channels))
    assert output.logits_BC.shape == ((4, 5, 32, 32) if option in PIXELS else (4, 5))
    assert output.features_BD.shape == (4, net.head.in_features)
    if option not in PIXELS:
        torch.testing.assert_close(output.logits_BC, net.head(output.features_BD))
    assert output.taps == {}


@pytest.mark.parametrize("option", OPTIONS)
def test_a_new_network_trains_and_every_parameter_has_a_gradient(option: str) -> None:
    net = build(option, 1)
    assert all(module.training for module in net.modules())
    net(rows(option, 1)).logits_BC.logsumexp(dim=1).sum().backward()
    without = [name for name, parameter in net.named_parameters() if parameter.grad is None]
    assert without == []


@pytest.mark.parametrize("option", OPTIONS)
def test_evaluation_mode_is_deterministic_and_row_by_row(option: str) -> None:
    net = build(option, 1).eval()
    with torch.no_grad():
        whole = net(rows(option, 1)).logits_BC
        assert torch.equal(whole, net(rows(option, 1)).logits_BC)
        torch.testing.assert_close(whole[2:3], net(rows(option, 1)[2:3]).logits_BC, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("option", OPTIONS)
def test_a_functional_call_uses_the_given_weights_and_leaves_the_network_untouched(option: str) -> None:
    net = build(option, 1)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    given = {name: value.detach().clone() for name, value in net.state_dict().items()}
    given["head.weight"].zero_()
    given["head.bias"].copy_(torch.arange(5.0))
    output = functional_call(net, given, (rows(option, 1),))
    if option in PIXELS:
        inner = output.logits_BC[..., BORDER:-BORDER, BORDER:-BORDER]
        torch.testing.assert_close(inner, torch.arange(5.0)[:, None, None].expand_as(inner))
    else:
        torch.testing.assert_close(output.logits_BC, torch.arange(5.0).expand(4, 5))
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


@pytest.mark.parametrize("option", OPTIONS)
def test_the_state_of_one_network_makes_another_equal(option: str) -> None:
    net, other = build(option, 1), build(option, 1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.01)
    other.load_state_dict(net.state_dict())
    assert torch.equal(net.eval()(rows(option, 1)).logits_BC, other.eval()(rows(option, 1)).logits_BC)


@pytest.mark.parametrize("option", OPTIONS)
def test_the_same_seed_gives_the_same_weights(option: str) -> None:
    states = [build(option, 1).state_dict() for _ in range(2)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("option", OPTIONS)
def test_taps_return_what_was_asked_for(option: str) -> None:
    net = build(option, 1).eval()
    inner = {name: module for name, module in net.backbone.named_modules() if name}
    weighted = (name for name, module in inner.items() if isinstance(module, torch.nn.Linear | torch.nn.Conv2d))
    name = next(weighted, next(iter(inner)))  # a linear classifier has no weights before its head
    net.tap([name])
    taps = net(rows(option, 1)).taps
    assert list(taps) == [name]
    assert len(taps[name]) == 4
