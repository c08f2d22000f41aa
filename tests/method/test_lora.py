"""LoRA: the formula by hand, what is trained, and whole runs."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig
from torch import nn

import calrun
from calrun.method.lora import AdaptedCheckpoint, adapted, chosen
from calrun.model.base import Classifier
from calrun.model.mlp import mlp
from calrun.model.resnet18 import resnet18
from calrun.model.timm import timm_classifier

Configure = Callable[..., DictConfig]


def network() -> Classifier:
    torch.manual_seed(0)
    return mlp(3, (6,), hidden=[5], dropout=0.0)


def test_a_layer_gives_w_x_and_alpha_over_r_b_a_x() -> None:
    plain, net = network(), adapted(network(), rank=2, alpha=6, dropout=0.0, target_modules=None)
    layer: Any = net.backbone[1]
    x = torch.randn(4, 6)
    torch.testing.assert_close(net(x).logits_BC, plain(x).logits_BC)  # B is 0 at first
    a, b = layer.lora_A.default.weight, layer.lora_B.default.weight
    assert (a.shape, b.shape) == ((2, 6), (5, 2))
    with torch.no_grad():
        b.normal_()
    by_hand = plain.backbone[1](x) + (6.0 / 2) * x @ a.T @ b.T
    torch.testing.assert_close(net(x).features_BD, by_hand.relu())


def test_adapters_and_head_are_trained_and_nothing_else() -> None:
    net = adapted(network(), 2, 4, 0.0, None)
    trained = {name for name, parameter in net.named_parameters() if parameter.requires_grad}
    lora = {f"backbone.1.lora_{letter}.default.weight" for letter in "AB"}
    assert trained == lora | {"head.weight", "head.bias"}


def test_queries_and_values_are_adapted_where_there_is_attention(tiny_vit: Path) -> None:
    from calrun.model.hf_vision import hf_vision

    found = chosen(hf_vision(3, (3, 32, 32), str(tiny_vit), True).backbone, None)
    assert {name.rpartition(".")[2] for name in found} == {"q_proj", "v_proj"}
    assert len(found) == 2 * 2  # two layers
    vit = timm_classifier(3, (3, 32, 32), "test_vit", False, None, None, img_size=32).backbone
    assert {name.rpartition(".")[2] for name in chosen(vit, None)} == {"qkv"}
    assert {name.rpartition(".")[2] for name in chosen(vit, ["mlp.fc1"])} == {"fc1"}


def test_torchs_own_attention_is_left_alone() -> None:
    backbone = nn.ModuleDict({"attention": nn.MultiheadAttention(4, 2), "mlp": nn.Linear(4, 4)})
    assert chosen(backbone, None) == ["mlp"]


def test_a_name_is_no_other_that_ends_alike() -> None:
    backbone = nn.Sequential(nn.Linear(6, 6), nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6)), nn.Linear(6, 6))
    assert chosen(backbone, ["1.0"]) == ["1.0"]
    assert chosen(backbone, ["0"]) == ["0", "1.0"]
    net = adapted(Classifier(backbone, 6, 3), 2, 2, 0.0, ["1.0"])
    assert [name for name, _ in net.named_parameters() if "lora_A" in name] == ["backbone.1.0.lora_A.default.weight"]


def test_convolutions_are_adapted_by_name_only() -> None:
    with pytest.raises(ValueError, match=r"the backbone has no linear layer; choose last words .* \['conv1', "):
        chosen(resnet18(3, (1, 8, 8), width=2).backbone, None)
    net = adapted(resnet18(3, (1, 8, 8), width=2), 2, 2, 0.0, ["conv1", "conv2"])
    assert net(torch.zeros(2, 1, 8, 8)).logits_BC.shape == (2, 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("method.target_modules=[query,value]",), r"no layer's name ends with one of ['query', 'value']"),
        (("method.target_modules=['2']",), "['2 (ReLU)'] are neither linear, convolutional nor embeddings"),
        (("method.rank=0",), "method.rank wants a whole number of at least 1"),
        (("method.dropout=2",), "method.dropout wants a share from 0 to 1"),
        (("method.start.path=absent.pt",), "checkpoint absent.pt is no file"),
    ],
)
def test_what_cannot_be_adapted_is_one_sentence(
    words: tuple[str, ...], said: str, refusal: Callable[..., str], small: tuple[str, ...]
) -> None:
    assert said in refusal("run", *small, "method=lora", *words)


def test_without_peft_one_sentence_says_what_to_install(
    refusal: Callable[..., str], small: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    line = refusal("run", *small, "method=lora")
    assert "method=lora wants peft, which is not installed; pip install 'calrun[lora]'" in line


def test_a_checkpoint_of_plain_names_fills_the_layers_below_the_adapters(tmp_path: Path) -> None:
    stored = {name: torch.full_like(value, 7.0) for name, value in network().backbone.state_dict().items()}
    torch.save({"state_dict": {f"module.{name}": value for name, value in stored.items()}}, tmp_path / "file.pt")
    old, fresh = (adapted(network(), 2, 4, 0.0, None) for _ in range(2))
    AdaptedCheckpoint(str(tmp_path / "file.pt"), head_std=0.01).apply(old, fresh)
    layer: Any = old.backbone[1]
    assert (layer.base_layer.weight == 7).all()
    assert not layer.lora_B.default.weight.any()
    assert layer.lora_A.default.weight.any()
    assert not old.head.bias.any()


def test_a_fit_leaves_the_backbone_as_the_round_began(
    configure: Configure, play_in: Callable[..., Any], tmp_path: Path
) -> None:
    seen: dict[str, Any] = {}
    cfg = configure("method=lora", "budget.rounds=1")

    def watch(exp: Any) -> None:
        begin = exp.method.begin_round

        def begun(this_round: Any) -> None:
            begin(this_round)
            seen["before"] = {name: value.clone() for name, value in exp.method.net.state_dict().items()}

        seen["method"], exp.method.begin_round = exp.method, begun

    (line,) = play_in(tmp_path / "run", cfg, prepare=watch)
    after = seen["method"].net.state_dict()
    changed = {name for name, value in seen["before"].items() if not torch.equal(value, after[name])}
    assert {name.rpartition(".lora_")[0] or "head" for name in changed} == {"backbone.1", "backbone.3", "head"}
    assert line["notes"]["trained_parameters"] == sum(after[name].numel() for name in changed)


@pytest.mark.parametrize("acquisition", ["bald", "deepfool", "glister"])
def test_acquisitions_look_through_the_adapters(acquisition: str, play: Callable[..., Any]) -> None:
    words = ["method=lora", f"acquisition={acquisition}", "budget.rounds=2", "val_fraction=0.1"]
    if acquisition == "bald":
        words.append("model.dropout=0.2")
    answer = play(*words)
    assert answer.code == 0, answer.err


class Killed(Exception):
    """Stands for the end of a process."""


@pytest.mark.parametrize("epochs", [1, 4])
def test_a_run_killed_anywhere_ends_as_the_unbroken_one(
    epochs: int, configure: Configure, play_in: Callable[..., Any], tmp_path: Path, result_of: Callable[[Path], Any]
) -> None:
    cfg = configure("method=lora", "acquisition=badge", "method.dropout=0.1", "stop=fixed_epochs")
    play_in(tmp_path / "whole", cfg)

    def dying(exp: Any) -> None:
        end, left = exp.method.end_epoch, [epochs]

        def ended() -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return end()

        exp.method.end_epoch = ended

    with pytest.raises(Killed):
        play_in(tmp_path / "broken", cfg, every=0.0, prepare=dying)
    play_in(tmp_path / "broken", cfg, every=0.0)
    assert result_of(tmp_path / "broken") == result_of(tmp_path / "whole")
    states = [torch.load(tmp_path / name / "state-3.pt", weights_only=True)["adapted"] for name in ("broken", "whole")]
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items())


def test_the_run_folder_predicts_without_the_checkpoint(
    play: Callable[..., Any], run_folder: Callable[[], Path], tmp_path: Path
) -> None:
    torch.save(mlp(10, (1, 8, 8), hidden=[64, 64], dropout=0.0).backbone.state_dict(), tmp_path / "file.pt")
    answer = play("method=lora", f"method.start.path={tmp_path / 'file.pt'}", "budget.rounds=2")
    assert answer.code == 0, answer.err
    (tmp_path / "file.pt").unlink()
    net = calrun.load(run_folder()).net
    stored = torch.load(run_folder() / "state-2.pt", weights_only=True)["adapted"]
    assert all(torch.equal(stored[name], value) for name, value in net.state_dict().items())
