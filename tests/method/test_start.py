from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from calrun.method.start import Checkpoint, Cold, ShrinkPerturb, Start, Warm
from calrun.model.base import Classifier


def net(seed: int) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Classifier(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), 4, 2)


def started(rule: Start) -> dict[str, torch.Tensor]:
    old = net(1)
    old.backbone[1].running_mean.fill_(7.0)
    rule.apply(old, net(2))
    return {name: tensor.clone() for name, tensor in old.state_dict().items()}


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(left[name], right[name]) for name in left)


def test_cold_start_takes_fresh_weights_and_statistics() -> None:
    assert same(started(Cold()), dict(net(2).state_dict()))


def test_shrinking_by_one_is_warm_and_perturbing_by_one_is_cold() -> None:
    assert same(started(ShrinkPerturb(1.0, 0.0, reset_bn_stats=False)), started(Warm()))
    assert same(started(ShrinkPerturb(0.0, 1.0)), started(Cold()))


def test_shrink_and_perturb_mixes_each_weight() -> None:
    mixed, old, new = started(ShrinkPerturb(0.4, 0.1)), net(1).state_dict(), net(2).state_dict()
    torch.testing.assert_close(mixed["head.weight"], 0.4 * old["head.weight"] + 0.1 * new["head.weight"])
    assert torch.equal(mixed["backbone.1.running_mean"], torch.zeros(4))


def test_every_rule_begins_round_1_with_fresh_weights() -> None:
    for rule in (Cold(), Warm(), ShrinkPerturb(0.4, 0.1)):
        first = net(1)
        rule.first(first, net(2))
        assert same(dict(first.state_dict()), dict(net(2).state_dict()))


def test_checkpoint_gives_the_backbone_and_a_new_head(tmp_path) -> None:
    torch.save(net(5).state_dict(), tmp_path / "backbone.pt")
    state = started(Checkpoint(str(tmp_path / "backbone.pt"), prefix="backbone.", head_std=0.001))
    assert torch.equal(state["backbone.0.weight"], net(5).state_dict()["backbone.0.weight"])
    assert not state["head.bias"].any()
    assert 0.0005 < state["head.weight"].std() < 0.002


@pytest.mark.parametrize("method", ["finetune", "linear_probe", "lp_ft", "lora"])
def test_a_checkpoint_that_does_not_fit_is_refused_before_a_folder_is_made(
    method: str, refusal: Callable[..., str], small: tuple[str, ...], tmp_path: Path
) -> None:
    torch.save({"conv1.weight": torch.zeros(2)}, tmp_path / "other.pt")
    line = refusal("run", *small, f"method={method}", f"method.start.path={tmp_path / 'other.pt'}")
    assert "has no key in common with the backbone: it holds conv1.weight, but the backbone wants 1.weight, " in line
    assert not [path for path in (tmp_path / "outputs").rglob("*") if path.is_file()]


def test_names_that_yaml_reads_as_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"leave_out wants beginnings of names, got the numbers \[0\.0\]; put quotes"):
        Checkpoint("backbone.pt", leave_out=["fc.", 0.0])  # type: ignore[list-item]


@pytest.mark.parametrize(("shrink", "perturb", "name"), [(3.0, 0.1, "shrink"), (0.4, -0.1, "perturb")])
def test_shares_outside_0_to_1_are_refused(shrink: float, perturb: float, name: str) -> None:
    with pytest.raises(ValueError, match=rf"method\.start\.{name} wants a share from 0 to 1"):
        ShrinkPerturb(shrink, perturb)


@pytest.mark.parametrize("head_std", [-1.0, 0.0, float("nan"), float("inf")])
def test_a_spread_of_the_head_that_cannot_be_is_refused(head_std: float) -> None:
    with pytest.raises(ValueError, match=r"method\.start\.head_std wants a number above 0"):
        Checkpoint(None, head_std=head_std)
