from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from calrun.model.adapt.checkpoint import load_backbone
from calrun.model.base import Classifier
from calrun.model.cnn import cnn
from calrun.model.mlp import mlp


def net_and_weights() -> tuple[Classifier, dict[str, torch.Tensor]]:
    net = mlp(2, (3,), hidden=[4], dropout=0.0)
    return net, OrderedDict((name, torch.full_like(value, 7.0)) for name, value in net.backbone.state_dict().items())


def saved(folder: Path, content: object) -> Path:
    torch.save(content, folder / "weights.pt")
    return folder / "weights.pt"


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_the_backbone_is_filled_and_the_head_stays(tmp_path: Path, wrapper: str | None) -> None:
    net, weights = net_and_weights()
    head = net.head.weight.clone()
    load_backbone(net, saved(tmp_path, weights if wrapper is None else {wrapper: weights, "epoch": 3}))
    assert all((value == 7.0).all() for value in net.backbone.state_dict().values())
    assert torch.equal(net.head.weight, head)


def test_a_prefix_chooses_among_networks_and_a_head_can_be_left_out(tmp_path: Path) -> None:
    net, weights = net_and_weights()
    stored = {f"encoder_q.{name}": value for name, value in weights.items()}
    stored |= {f"encoder_k.{name}": value + 1 for name, value in weights.items()}
    stored["encoder_q.fc.weight"] = torch.zeros(2, 4)
    load_backbone(net, saved(tmp_path, stored), prefix="encoder_q.", leave_out=["fc."])
    assert all((value == 7.0).all() for value in net.backbone.state_dict().values())


def test_the_file_of_a_whole_classifier_gives_its_backbone(tmp_path: Path) -> None:
    net, _ = net_and_weights()
    other, _ = net_and_weights()
    load_backbone(other, saved(tmp_path, net.state_dict()), prefix="backbone.")
    assert torch.equal(other.backbone[1].weight, net.backbone[1].weight)


def test_every_kind_of_misfit_is_listed_at_once_and_nothing_changes(tmp_path: Path) -> None:
    net, _ = net_and_weights()
    before = net.backbone[1].bias.clone()
    stored = {"1.weight": torch.zeros(9, 9), "extra": torch.zeros(1)}
    with pytest.raises(ValueError, match="does not fit the backbone") as caught:
        load_backbone(net, saved(tmp_path, stored), prefix="")
    assert "1 keys missing (first: 1.bias)" in str(caught.value)
    assert "1 keys unexpected (first: extra)" in str(caught.value)
    assert "1.weight is (9, 9), wanted (4, 3)" in str(caught.value)
    assert torch.equal(net.backbone[1].bias, before)


def test_a_wrong_prefix_is_answered_with_the_right_one(tmp_path: Path) -> None:
    net, weights = net_and_weights()
    stored = {f"module.{name}": value for name, value in weights.items()}
    with pytest.raises(ValueError, match=r"set its prefix \(checkpoint_prefix or prefix\) to 'module\.', or leave it"):
        load_backbone(net, saved(tmp_path, stored), prefix="")
    twice = {f"{prefix}{name}": value for name, value in weights.items() for prefix in ("q.", "k.")}
    with pytest.raises(ValueError, match=r"choose its prefix \(checkpoint_prefix or prefix\) among \['k\.', 'q\.'\]"):
        load_backbone(net, saved(tmp_path, twice), prefix="")
    other = {"encoder.thing": torch.zeros(1)}
    with pytest.raises(ValueError, match=r"unexpected \(first: encoder\.thing\)$"):
        load_backbone(net, saved(tmp_path, other), prefix="")


def test_another_shape_is_not_taken_for_another_prefix(tmp_path: Path) -> None:
    net, weights = net_and_weights()
    stored = {**weights, "deep.1.weight": torch.zeros(1), "1.weight": torch.zeros(9, 9)}
    for prefix in ("", None):
        with pytest.raises(ValueError, match=r"1\.weight is \(9, 9\), wanted \(4, 3\)\)$"):
            load_backbone(net, saved(tmp_path, stored), prefix)


@pytest.mark.parametrize("name", ["weights.safetensors", "pytorch_model.bin"])
def test_safetensors_are_read_whatever_their_suffix(name: str, tmp_path: Path) -> None:
    net, weights = net_and_weights()
    save_file(weights, tmp_path / name)
    load_backbone(net, tmp_path / name)
    assert all((value == 7.0).all() for value in net.backbone.state_dict().values())


@pytest.mark.parametrize("zipped", [True, False])
def test_a_whole_network_is_refused_in_one_line_that_says_what_to_save(zipped: bool, tmp_path: Path) -> None:
    net, _ = net_and_weights()
    torch.save(net, tmp_path / "whole.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"holds Python objects, .* save net\.state_dict\(\) alone") as caught:
        load_backbone(net, tmp_path / "whole.pt")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04K\x01.", b"PK\x03\x04", b"\x08\0\0\0\0\0\0\0{"])
@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_damaged_files_are_one_line(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"checkpoint .*(empty|damaged|truncated|begins with|objects)") as caught:
        load_backbone(net_and_weights()[0], tmp_path / name)
    assert str(caught.value).isprintable()


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    net, weights = net_and_weights()
    with pytest.raises(ValueError, match=r"1 keys not finite \(first: 1\.bias\)$"):
        load_backbone(net, saved(tmp_path, {**weights, "1.bias": torch.full((4,), torch.nan)}))


def test_old_files_without_batch_counters_are_fine(tmp_path: Path) -> None:
    net = cnn(2, (1, 8, 8), width=2, dropout=0.0)
    stored = {name: value + 1 for name, value in net.backbone.state_dict().items() if "num_batches" not in name}
    load_backbone(net, saved(tmp_path, stored))
    torch.testing.assert_close(net.backbone[2].running_mean, torch.ones(2))


def test_a_missing_file_a_broken_one_and_one_without_weights_are_told_apart(tmp_path: Path) -> None:
    net, _ = net_and_weights()
    with pytest.raises(ValueError, match="is no file"):
        load_backbone(net, tmp_path / "absent.pt")
    (tmp_path / "broken.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match=r"begins with b'not a ch', as no file of torch.save or safetensors does"):
        load_backbone(net, tmp_path / "broken.pt")
    with pytest.raises(ValueError, match=r"but holds the keys \['epoch'\]"):
        load_backbone(net, saved(tmp_path, {"epoch": 3}))
    with pytest.raises(ValueError, match="but holds a Tensor"):
        load_backbone(net, saved(tmp_path, torch.zeros(3)))
    with pytest.raises(ValueError, match="holds Python objects"):
        load_backbone(net, saved(tmp_path, Path("an object that weights_only refuses")))
