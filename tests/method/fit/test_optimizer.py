import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from calrun.method.fit.optimizer import OptimizerFactory, Step, cosine, cosine_to_a_fifth
from calrun.model.base import Classifier
from calrun.model.mlp import mlp

CONF = Path(__file__).parents[3] / "conf" / "optimizer"
OPTIONS = sorted(path.stem for path in CONF.glob("*.yaml"))
SGD = partial(torch.optim.SGD, momentum=0.9)


def network() -> Classifier:
    torch.manual_seed(0)
    return mlp(3, (4,), hidden=[5], dropout=0.0)


def lrs_by_epoch(factory: OptimizerFactory, epochs: int, **build: Any) -> list[list[float]]:
    optimizer, schedule = factory.build(network(), epochs, **build)
    lrs = []
    for _ in range(epochs):
        lrs.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        if schedule is not None:
            schedule.step()
    return lrs


def train(net: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    x, y = torch.randn(6, 4, generator=torch.Generator().manual_seed(3)), torch.arange(6) % 3
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x).logits_BC, y).backward()
        optimizer.step()


def test_cosine_is_pytorchs_schedule_to_zero() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.02)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=7)
    for (lr,) in lrs_by_epoch(OptimizerFactory(SGD, 0.02, True, cosine), epochs=7):
        assert lr == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()
    assert cosine(7, 7) == 0.0


def test_the_probing_cosine_ends_at_a_fifth() -> None:
    assert cosine_to_a_fifth(0, 9) == 1.0
    assert cosine_to_a_fifth(9, 9) == pytest.approx(0.19509, abs=1e-5)


def stepped(factory: OptimizerFactory, epochs: int, steps: int) -> list[list[float]]:
    """The rates of every step of a fit."""
    net = network()
    optimizer, schedule = factory.build(net, epochs, steps=steps)
    assert schedule is None
    lrs = []
    for _ in range(epochs * steps):
        lrs.append([group["lr"] for group in optimizer.param_groups])
        train(net, optimizer, steps=1)
    return lrs


def test_a_schedule_of_steps_is_cos_7_16_pi_t_at_each() -> None:
    """Wen et al. 2024: lr 0.5 of the head, t from 0 by 1 over the number of all steps."""
    factory = OptimizerFactory(SGD, 0.5, False, cosine_to_a_fifth, head_lr=0.25, schedule_every="step")
    lrs = stepped(factory, epochs=2, steps=3)
    by_hand = [math.cos(7 * math.pi / 16 * step / 6) for step in range(6)]
    assert lrs == [pytest.approx([0.5 * factor, 0.25 * factor]) for factor in by_hand]


def test_a_schedule_of_steps_goes_on_from_a_saved_state() -> None:
    factory = OptimizerFactory(SGD, 0.5, False, cosine, schedule_every="step")
    net = network()
    optimizer, _ = factory.build(net, 2, steps=3)
    train(net, optimizer, steps=4)
    state = optimizer.state_dict()
    again, _ = factory.build(net, 2, steps=3)
    again.load_state_dict(state)
    train(net, again, steps=1)
    assert again.param_groups[0]["lr"] == pytest.approx(0.5 * cosine(5 / 3, 2))


class Killed(Exception):
    """Stands for the end of a process."""


def test_a_fit_of_steps_reaches_the_end_of_its_schedule_and_survives_a_kill(
    configure: Callable[..., Any], play_in: Callable[..., Any], tmp_path: Path, result_of: Callable[[Path], Any]
) -> None:
    words = ["method=linear_probe", "stop=fixed_epochs", "trainer.max_epochs=3", "budget.rounds=1"]
    schedule = "{_target_: calrun.method.fit.optimizer.cosine_to_a_fifth, _partial_: true}"
    cfg = configure(*words, "+optimizer.schedule_every=step", f"optimizer.schedule={schedule}", "trainer.batch_size=8")
    lrs: list[float] = []

    def watched(dies: bool) -> Callable[[Any], None]:
        def watch(exp: Any) -> None:
            end = exp.method.end_epoch

            def ended() -> Any:
                lrs.append(exp.method.raw_optimizer.param_groups[0]["lr"])
                if dies and len(exp.method.history) == 1:
                    raise Killed
                return end()

            exp.method.end_epoch = ended

        return watch

    play_in(tmp_path / "whole", cfg, prepare=watched(dies=False))
    assert lrs == pytest.approx([cfg.optimizer.lr * math.cos(7 * math.pi / 16 * epoch / 3) for epoch in (1, 2, 3)])
    with pytest.raises(Killed):
        play_in(tmp_path / "broken", cfg, every=0.0, prepare=watched(dies=True))
    play_in(tmp_path / "broken", cfg, every=0.0, prepare=watched(dies=False))
    assert lrs[-1] == lrs[2]
    assert result_of(tmp_path / "broken") == result_of(tmp_path / "whole")


def test_a_schedule_moves_at_epochs_or_steps() -> None:
    with pytest.raises(ValueError, match=r"optimizer\.schedule_every wants epoch or step, got 'batch'"):
        OptimizerFactory(SGD, 0.5, False, cosine, schedule_every="batch")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("milestones", "epochs", "expected"),
    [
        ([2, 3], 5, [1.0, 1.0, 0.1, 0.01, 0.01]),
        ([0.8], 5, [1.0, 1.0, 1.0, 1.0, 0.1]),
        ([0.7], 10, [1.0] * 7 + [0.1] * 3),  # 0.7 * 10 is a little more than 7 in binary
        ([], 2, [1.0, 1.0]),
    ],
)
def test_each_milestone_reached_multiplies_the_rate(
    milestones: list[float], epochs: int, expected: list[float]
) -> None:
    assert [Step(milestones, 0.1)(epoch, epochs) for epoch in range(epochs)] == pytest.approx(expected)


def test_replay_scales_the_rate_by_m_plus_r_over_m_for_sgd_only() -> None:
    """CIFAR-10 of Das et al.: m = 20, r = 40, lr 0.02 becomes 0.06."""
    assert lrs_by_epoch(OptimizerFactory(SGD, 0.02, scales_lr=True), 1, lr_scale=60 / 20) == [[pytest.approx(0.06)]]
    assert lrs_by_epoch(OptimizerFactory(SGD, 0.02, scales_lr=False), 1, lr_scale=60 / 20) == [[0.02]]


def test_the_head_has_its_own_rate_and_both_follow_the_schedule() -> None:
    factory = OptimizerFactory(SGD, 0.01, True, Step([1], 0.1), head_lr=0.1)
    assert lrs_by_epoch(factory, 2, lr_scale=2.0) == [pytest.approx([0.02, 0.2]), pytest.approx([0.002, 0.02])]


def test_two_groups_hold_every_parameter_once() -> None:
    net = network()
    optimizer, _ = OptimizerFactory(SGD, 0.01, True, head_lr=0.1).build(net, 1)
    backbone, head = (group["params"] for group in optimizer.param_groups)
    assert {id(p) for p in backbone} == {id(p) for p in net.backbone.parameters()}
    assert {id(p) for p in head} == {id(p) for p in net.head.parameters()}


@pytest.mark.parametrize(("head_lr", "expected"), [(None, 0.5), (0.1, 0.1)])
def test_training_the_head_alone_leaves_the_backbone_as_it_is(head_lr: float | None, expected: float) -> None:
    net = network()
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    optimizer, _ = OptimizerFactory(SGD, 0.5, True, head_lr=head_lr).build(net, 1, trainable="head")
    train(net, optimizer, steps=2)
    changed = {name for name, parameter in net.named_parameters() if not torch.equal(before[name], parameter)}
    assert changed == {"head.weight", "head.bias"}
    assert [group["lr"] for group in optimizer.param_groups] == [expected]


def test_a_second_build_starts_without_momentum() -> None:
    factory, net = OptimizerFactory(SGD, 0.01, True), network()
    optimizer, _ = factory.build(net, 1)
    train(net, optimizer, steps=1)
    assert optimizer.state
    assert not factory.build(net, 1)[0].state


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_lowers_the_loss_and_goes_on_from_a_saved_state(option: str) -> None:
    factory = instantiate(OmegaConf.load(CONF / f"{option}.yaml"))
    whole, resumed = network(), network()
    for net, cuts in [(whole, False), (resumed, True)]:
        optimizer, schedule = factory.build(net, epochs=4)
        for epoch in range(4):
            if cuts and epoch == 2:
                states = optimizer.state_dict(), schedule and schedule.state_dict()
                optimizer, schedule = factory.build(net, epochs=4)
                optimizer.load_state_dict(states[0])
                if schedule is not None:
                    schedule.load_state_dict(states[1])
            train(net, optimizer, steps=3)
            if schedule is not None:
                schedule.step()
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
    x, y = torch.randn(6, 4, generator=torch.Generator().manual_seed(3)), torch.arange(6) % 3
    loss, start = (nn.functional.cross_entropy(net(x).logits_BC, y) for net in (whole, network()))
    assert loss < start


@pytest.mark.parametrize(
    ("option", "scales_lr", "weight_decay", "ends_at"),
    [
        ("sgd_cosine", True, 5e-4, 0.0),
        ("sgd_step", True, 5e-4, 0.1),
        ("sgd", True, 5e-4, 1.0),
        ("adam", False, 0.0, 1.0),
        ("adamw", False, 0.01, 1.0),
    ],
)
def test_the_options_have_the_papers_values(option: str, scales_lr: bool, weight_decay: float, ends_at: float) -> None:
    factory = instantiate(OmegaConf.load(CONF / f"{option}.yaml"))
    optimizer, schedule = factory.build(network(), epochs=10)
    group = optimizer.param_groups[0]
    assert (factory.scales_lr, group["weight_decay"]) == (scales_lr, weight_decay)
    assert group.get("momentum", 0.9) == 0.9
    assert factory.schedule is None or factory.schedule(10, 10) == pytest.approx(ends_at)
    assert (schedule is None) == (ends_at == 1.0)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["lr", "head_lr"])
def test_a_rate_that_is_no_rate_is_refused(name: str, rate: float) -> None:
    with pytest.raises(ValueError, match=rf"optimizer\.{name} wants a finite learning rate above 0"):
        OptimizerFactory(SGD, **{"lr": 0.1, "scales_lr": True} | {name: rate})


def test_a_network_without_a_head_cannot_have_a_rate_for_it() -> None:
    with pytest.raises(ValueError, match=r"Linear has no parameter whose name begins with 'head\.'"):
        OptimizerFactory(SGD, 0.1, True, head_lr=0.1).build(nn.Linear(2, 2), 1)
