"""A user's own network: plain modules that return logits play as calrun's own do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from calrun.model.adapt.own import make_net
from calrun.model.base import Classifier

MINE = """
import torch
from torch import nn
import torch.nn.functional as F

class Net(nn.Module):
    def __init__(self, num_classes, bias=True):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.hidden = nn.Linear(256, 12)
        self.drop = nn.Dropout(0.3)
        self.last = nn.Linear(12, num_classes, bias=bias)
        self.unused = nn.Linear(3, num_classes)

    def forward(self, x):
        x = F.relu(self.norm(self.stem(x))).flatten(1)
        return self.last(self.drop(F.relu(self.hidden(x))))

class Soft(Net):
    def forward(self, x):
        return super().forward(x).softmax(dim=1)

class Pair(Net):
    def forward(self, x):
        return super().forward(x), x

class Fixed(Net):
    def __init__(self):
        super().__init__(7)

class Twice(Net):
    def forward(self, x):
        first = self.last(x.flatten(1)[:, :12])
        return self.last(first.sum(dim=1, keepdim=True).expand(-1, 12))

class Broken(Net):
    def forward(self, x):
        return self.hidden(x)

class Convolved(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.only = nn.Conv2d(1, num_classes, 8)

    def forward(self, x):
        return self.only(x).flatten(1)

class Auxiliary(Net):
    def forward(self, x):
        logits = super().forward(x)
        return (logits, logits) if self.training else logits

class Dropped(Net):
    def forward(self, x):
        return F.dropout(super().forward(x), 0.5, self.training)

class Noisy(Net):
    def forward(self, x):
        return super().forward(F.dropout(x, 0.5, training=True))

class Spoiling(Net):
    def forward(self, x):
        return super().forward(x.mul_(2))

class Secretive(Net):
    def get_extra_state(self):
        return {"seen": 3}

    def set_extra_state(self, state):
        pass

class Named(Net):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.tail = nn.Sequential(self.drop, self.last)

    def forward(self, x):
        return self.tail(F.relu(self.hidden(F.relu(self.norm(self.stem(x))).flatten(1))))

def number(num_classes):
    return 3
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The override that chooses a class of the user's file."""
    name = f"mine_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def made(target: str, input_shape: tuple[int, ...] = (1, 8, 8), **options: Any) -> Classifier:
    return make_net(OmegaConf.create({"_target_": target, **options}), 10, input_shape)


def test_the_last_linear_layer_is_the_head_and_the_rest_the_backbone(mine: str) -> None:
    torch.manual_seed(0)
    net = made(f"{mine}.Net").eval()
    torch.manual_seed(0)
    plain = made(f"{mine}.Net").backbone.eval()
    x = torch.randn(5, 1, 8, 8)
    output = net(x)
    assert net.head.weight.shape == (10, 12)
    torch.testing.assert_close(output.features_BD, plain(x))
    torch.testing.assert_close(output.logits_BC, net.head(plain(x)))
    assert sorted(name for name, _ in net.named_parameters() if name.startswith("head.")) == [
        "head.bias",
        "head.weight",
    ]
    assert {"backbone.hidden.weight", "backbone.unused.weight"} <= set(net.state_dict())


def test_one_pass_goes_through_the_network_once(mine: str) -> None:
    net, calls = made(f"{mine}.Net"), []
    net.backbone.stem.register_forward_hook(lambda *_: calls.append(1))
    net(torch.randn(2, 1, 8, 8))
    assert len(calls) == 1


def test_modules_stay_in_training_mode_and_keep_their_statistics(mine: str) -> None:
    net = made(f"{mine}.Net")
    assert net.training
    assert net.backbone.norm.training
    assert net.backbone.norm.running_mean.eq(0).all()


@pytest.mark.parametrize(("target", "options"), [("torch.nn.Linear", {"in_features": 4, "out_features": 10})])
def test_a_single_layer_is_all_head(target: str, options: dict[str, int]) -> None:
    net, x = made(target, (4,), **options), torch.randn(3, 4)
    torch.testing.assert_close(net(x).features_BD, x)


def test_a_network_of_torchvision_is_taken_as_it_is() -> None:
    net = made("torchvision.models.resnet18", (3, 32, 32))
    assert net.head.weight.shape == (10, 512)
    assert net(torch.randn(2, 3, 32, 32)).features_BD.shape == (2, 512)


def test_a_head_under_two_names_is_taken_off_under_both(mine: str) -> None:
    net = made(f"{mine}.Named").eval()
    output = net(torch.randn(4, 1, 8, 8))
    assert output.features_BD.shape == (4, 12)
    torch.testing.assert_close(output.logits_BC, net.head(output.features_BD))
    assert not any("last" in name for name in net.state_dict())


def test_a_head_without_bias_gets_one_that_stays_zero(mine: str) -> None:
    net = made(f"{mine}.Net", bias=False)
    net(torch.randn(4, 1, 8, 8)).logits_BC.square().sum().backward()
    assert net.head.bias.eq(0).all()
    assert net.head.bias.grad is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Soft", "does not return the output of an nn.Linear as it is \\(its last one is 'last'\\)"),
        ("Pair", "returns a tuple; return the logits alone"),
        ("Fixed", r"returns a tensor of shape \(2, 7\) for 2 rows, but the data set has 10 classes"),
        ("Twice", "uses its last nn.Linear 'last' in another way than as its last step"),
        ("Broken", r"refuses inputs of shape \(2, 1, 8, 8\) \(RuntimeError: .*; make it fit the data set"),
        ("Convolved", r"does not return the output of an nn.Linear as it is \(it has none\)"),
        ("Auxiliary", "output of its last nn.Linear 'last' in evaluation mode, but something else in training mode"),
        ("Dropped", "output of its last nn.Linear 'last' in evaluation mode, but something else in training mode"),
        ("Noisy", "answers the same input differently each time in evaluation mode"),
        ("Spoiling", "changes its input in place"),
        ("Secretive", r"keeps 1 things in its state that are no tensors \(first: \['_extra_state'\]\)"),
        ("number", "gives an object of int; a torch.nn.Module that returns logits is wanted"),
    ],
)
def test_what_cannot_be_looked_into_is_one_sentence(name: str, message: str, mine: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        made(f"{mine}.{name}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        ("method=al", "acquisition=badge"),
        ("method=al", "acquisition=base_balanced"),
        ("method=al", "acquisition=mase"),
        ("method=al", "acquisition=balancing"),
        ("method=al", "acquisition=bald"),
        ("method=cal_der", "acquisition=entropy"),
        ("method=lp_ft", "acquisition=margin"),
        ("method=linear_probe", "acquisition=margin"),
        ("method=al_ws", "acquisition=coreset", "optimizer.head_lr=0.1"),
    ],
)
def test_it_plays_with_every_kind_of_method_and_acquisition(
    words: tuple[str, ...], mine: str, play: Callable[..., Any], tmp_path: Path, run_folder: Callable[[], Path]
) -> None:
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "mine.yaml").write_text(f"_target_: {mine}.Net\n")
    answer = play("--config-dir", str(tmp_path / "conf"), *words, "model=mine")
    assert answer.code == 0, answer.err
    assert len((run_folder() / "rounds.jsonl").read_text().splitlines()) == 3


def test_linear_probing_moves_the_head_alone(
    mine: str, configure: Callable[..., DictConfig], play_in: Callable[..., Any], tmp_path: Path
) -> None:
    cfg, played = configure("method=linear_probe"), []
    cfg.model = {"_target_": f"{mine}.Net"}
    play_in(tmp_path / "run", cfg, prepare=played.append)
    method = played[0].method
    fresh = method.fresh_net(method.this_round)
    for name, weights in method.net.named_parameters():
        assert torch.equal(weights, fresh.get_parameter(name)) != name.startswith("head."), name
