"""Checkpoints of the known self-supervised methods, in small: each is found without being named."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from calrun.model.adapt.checkpoint import load_backbone
from calrun.model.adapt.layout import as_timm
from calrun.model.base import Classifier
from calrun.model.timm import timm_classifier

Weights = dict[str, Tensor]


def small_resnet() -> Classifier:
    """A ResNet of one block a stage, with torchvision's names."""
    backbone = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1])
    backbone.fc = nn.Identity()
    return Classifier(backbone, 512, 3)


@pytest.fixture(scope="module")
def net() -> Classifier:
    return small_resnet()


def filled(net: Classifier, number: float) -> Weights:
    return {name: torch.full_like(value, number) for name, value in net.backbone.state_dict().items()}


def named(prefix: str, weights: Weights) -> Weights:
    return {f"{prefix}{name}": value for name, value in weights.items()}


HEAD = torch.zeros(2, 2)
OPTIMIZER = {"state": {0: {"momentum_buffer": torch.zeros(1)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}


def moco_v2(good: Weights, other: Weights) -> Any:
    q = named("module.encoder_q.", good | {"fc.0.weight": HEAD, "fc.2.weight": HEAD})
    k = named("module.encoder_k.", other | {"fc.0.weight": HEAD, "fc.2.weight": HEAD})
    queue = {"module.queue": torch.zeros(2, 4), "module.queue_ptr": torch.zeros(1)}
    return {"epoch": 200, "arch": "resnet50", "state_dict": {**q, **k, **queue}, "optimizer": OPTIMIZER}


def byol_eman(good: Weights, other: Weights) -> Any:
    online = named("module.online_net.backbone.", good) | {"module.online_net.projector.0.weight": HEAD}
    target = named("module.target_net.backbone.", other) | {"module.target_net.projector.0.weight": HEAD}
    return {"epoch": 200, "state_dict": {**online, "module.predictor.0.weight": HEAD, **target}}


def swav(good: Weights, other: Weights) -> Any:
    return named("module.", good | {"projection_head.0.weight": HEAD, "prototypes.weight": HEAD})


def swav_with_its_state(good: Weights, other: Weights) -> Any:
    return {"epoch": 5, "state_dict": swav(good, other), "optimizer": OPTIMIZER, "amp": {"scale": 2.0}}


def dino(good: Weights, other: Weights) -> Any:
    teacher = named("backbone.", good) | {"head.mlp.0.weight": HEAD, "head.last_layer.weight_v": HEAD}
    student = named("module.backbone.", other) | {"module.head.last_layer.weight_v": HEAD}
    args = Namespace(arch="resnet50", lr=0.3)
    loss = {"center": torch.zeros(1, 4)}
    return {
        "student": student, "teacher": teacher, "optimizer": OPTIMIZER, "epoch": 3, "args": args, "dino_loss": loss,
    }  # fmt: skip


def dino_in_parallel(good: Weights, other: Weights) -> Any:
    return {"student": named("module.backbone.", other), "teacher": named("module.backbone.", good)}


def esvit(good: Weights, other: Weights) -> Any:
    return {name: named("module.", each | {"head.weight": HEAD, "head_dense.weight": HEAD})
            for name, each in (("student", other), ("teacher", good))}  # fmt: skip


def plain_with_a_head(good: Weights, other: Weights) -> Any:
    return good | {"fc.weight": HEAD, "fc.bias": HEAD}


def simclr_converted_by_others(good: Weights, other: Weights) -> Any:
    return {"resnet": good, "head": {"layers.0.weight": HEAD}}


def byol_plain(good: Weights, other: Weights) -> Any:
    return {"online": good, "target": other}


def our_run(good: Weights, other: Weights) -> Any:
    net = named("backbone.", good) | {"head.weight": HEAD}
    return {"net": net, "parts": {}, "pieces": {"visit": {}}, "previous": None, "ended": {}}


LAYOUTS: list[Callable[[Weights, Weights], Any]] = [
    moco_v2, byol_eman, swav, swav_with_its_state, dino, dino_in_parallel, esvit, plain_with_a_head,
    simclr_converted_by_others, byol_plain, our_run,
]  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_backbone_of_every_layout_is_found(
    layout: Callable[[Weights, Weights], Any], net: Classifier, tmp_path: Path
) -> None:
    torch.save(layout(filled(net, 7), filled(net, 9)), tmp_path / "file.pth")
    with torch.no_grad():
        net.head.weight.fill_(3)
    load_backbone(net, tmp_path / "file.pth")
    assert all((value == 7).all() for value in net.backbone.state_dict().values())
    assert (net.head.weight == 3).all()


def test_an_explicit_prefix_takes_the_other_network(net: Classifier, tmp_path: Path) -> None:
    torch.save(byol_eman(filled(net, 7), filled(net, 9)), tmp_path / "file.pth")
    load_backbone(net, tmp_path / "file.pth", prefix="module.target_net.backbone.")
    assert all((value == 9).all() for value in net.backbone.state_dict().values())
    torch.save(dino(filled(net, 7), filled(net, 9)), tmp_path / "file.pth")
    load_backbone(net, tmp_path / "file.pth", prefix="student.module.backbone.")
    assert all((value == 9).all() for value in net.backbone.state_dict().values())


def test_an_explicit_prefix_counts_every_key(net: Classifier, tmp_path: Path) -> None:
    torch.save(moco_v2(filled(net, 7), filled(net, 9)), tmp_path / "file.pth")
    with pytest.raises(ValueError, match=r"2 keys unexpected \(first: fc\.0\.weight, fc\.2\.weight\)"):
        load_backbone(net, tmp_path / "file.pth", prefix="module.encoder_q.")
    load_backbone(net, tmp_path / "file.pth", prefix="module.encoder_q.", leave_out=["fc."])


def test_a_layout_in_safetensors_is_found_as_well(net: Classifier, tmp_path: Path) -> None:
    save_file(named("teacher.backbone.", filled(net, 7)), tmp_path / "file.safetensors")
    load_backbone(net, tmp_path / "file.safetensors")
    assert (net.backbone.state_dict()["conv1.weight"] == 7).all()


def test_without_a_key_in_common_both_sides_are_listed(net: Classifier, tmp_path: Path) -> None:
    torch.save({f"blocks.{number}.a": HEAD for number in range(7)}, tmp_path / "file.pth")
    with pytest.raises(ValueError, match="has no key in common with the backbone: ") as refused:
        load_backbone(net, tmp_path / "file.pth")
    said = str(refused.value)
    assert "it holds blocks.0.a, blocks.1.a, blocks.2.a, blocks.3.a, blocks.4.a and 2 more" in said
    assert "the backbone wants conv1.weight, bn1.weight, bn1.bias, bn1.running_mean, bn1.running_var and " in said


@pytest.mark.parametrize("prefixes", [("first.", "second."), ("", "ema.")])
def test_two_networks_that_fit_are_left_to_the_user(prefixes: tuple[str, str], net: Classifier, tmp_path: Path) -> None:
    weights = filled(net, 7)
    torch.save({f"{prefix}{name}": weights[name] for prefix in prefixes for name in weights}, tmp_path / "file.pth")
    with pytest.raises(ValueError, match="holds 2 networks that fit the backbone; choose its prefix") as refused:
        load_backbone(net, tmp_path / "file.pth")
    assert str([*prefixes]) in str(refused.value)


def test_what_is_left_over_but_for_heads_does_not_fit(net: Classifier, tmp_path: Path) -> None:
    torch.save(named("module.", filled(net, 7) | {"layer1.0.se.weight": HEAD}), tmp_path / "file.pth")
    with pytest.raises(ValueError, match=r"1 keys unexpected \(first: layer1\.0\.se\.weight\)$"):
        load_backbone(net, tmp_path / "file.pth")


def test_another_network_of_the_same_kind_is_refused_with_what_differs(net: Classifier, tmp_path: Path) -> None:
    weights = filled(net, 7)
    del weights["layer4.0.conv2.weight"]
    weights["conv1.weight"] = torch.zeros(64, 1, 7, 7)
    torch.save({"state_dict": named("module.encoder_q.", weights)}, tmp_path / "file.pth")
    with pytest.raises(ValueError, match=r"1 keys missing \(first: layer4\.0\.conv2\.weight\); 1 keys of another size"):
        load_backbone(net, tmp_path / "file.pth")


class Evil:
    def __reduce__(self) -> Any:
        return (print, ("ran",))


def test_no_code_in_a_file_is_run(net: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"teacher": filled(net, 7), "args": Namespace(hook=Evil())}, tmp_path / "file.pth")
    with pytest.raises(ValueError, match="holds Python objects"):
        load_backbone(net, tmp_path / "file.pth")
    assert capsys.readouterr().out == ""


def dinov2(net: Classifier) -> Weights:
    """The weights of a ViT of timm under the names of DINOv2's own files, which have a mask token beside them."""
    weights = {name: torch.randn_like(value) for name, value in net.backbone.state_dict().items()}
    return {**weights, "mask_token": torch.zeros(1, weights["cls_token"].shape[-1])}


def test_dinov2_has_a_mask_token_beside_it(tmp_path: Path) -> None:
    net = vit()
    stored = dinov2(net)
    torch.save(stored, tmp_path / "file.pth")
    load_backbone(net, tmp_path / "file.pth")
    assert all(torch.equal(stored[name], value) for name, value in net.backbone.state_dict().items())
    torch.save({"teacher": named("backbone.", stored) | {"dino_head.mlp.0.weight": HEAD}}, tmp_path / "whole.pth")
    load_backbone(net, tmp_path / "whole.pth")


def vit(**more: Any) -> Classifier:
    return timm_classifier(
        3, (3, 32, 32), "test_vit", pretrained=False, checkpoint=None, checkpoint_prefix=None, img_size=32, **more
    )


def test_dinov2_with_registers_gets_timms_names_and_one_position_less(tmp_path: Path) -> None:
    net = vit(reg_tokens=4, no_embed_class=True)
    wanted = net.backbone.state_dict()
    stored = dinov2(net)
    width = wanted["cls_token"].shape[-1]
    stored["register_tokens"] = stored.pop("reg_token")
    stored["pos_embed"] = torch.randn(1, 1 + wanted["pos_embed"].shape[1], width)
    torch.save(stored, tmp_path / "file.pth")
    load_backbone(net, tmp_path / "file.pth")
    found = net.backbone.state_dict()
    assert torch.equal(found["reg_token"], stored["register_tokens"])
    assert torch.equal(found["cls_token"], stored["cls_token"] + stored["pos_embed"][:, :1])
    assert torch.equal(found["pos_embed"], stored["pos_embed"][:, 1:])


def test_names_of_dinov2s_gated_layers_are_timms() -> None:
    names = ["blocks.3.mlp.w12.weight", "blocks.3.mlp.w3.bias", "blocks.3.ls1.gamma"]
    assert [*as_timm(dict.fromkeys(names, HEAD))] == [
        "blocks.3.mlp.fc1.weight", "blocks.3.mlp.fc2.bias", "blocks.3.ls1.gamma",
    ]  # fmt: skip


def test_swin_of_esvit_reduces_at_the_end_of_a_stage(tmp_path: Path) -> None:
    sizes = {"embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 1, 1), "window_size": 2, "img_size": 64}
    net = timm_classifier(3, (3, 64, 64), "swin_tiny_patch4_window7_224", False, None, None, **sizes)
    wanted = {name: torch.randn_like(value) for name, value in net.backbone.state_dict().items()}
    theirs = {name: value for name, value in wanted.items() if ".downsample." not in name}
    for stage in (1, 2, 3):
        for layer in ("norm.weight", "norm.bias", "reduction.weight"):
            theirs[f"layers.{stage - 1}.downsample.{layer}"] = wanted[f"layers.{stage}.downsample.{layer}"]
    theirs |= {"layers.0.blocks.0.attn.relative_position_index": torch.zeros(4, 4), "head.last_layer.weight_v": HEAD}
    torch.save({"teacher": named("module.", theirs), "args": Namespace(arch="swin_tiny")}, tmp_path / "file.pth")
    load_backbone(net, tmp_path / "file.pth")
    assert all(torch.equal(wanted[name], value) for name, value in net.backbone.state_dict().items())
