import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig
from torch import nn

from calrun.method.fit.beside import Beside, HeadOptimizer
from calrun.method.fit.optimizer import OptimizerFactory, Step, cosine
from tests.died import Killed, played

SGD = partial(torch.optim.SGD, momentum=0.9, weight_decay=5e-4)
WORDS = ("acquisition=learning_loss", "trainer.batch_size=8", "trainer.max_epochs=4", "trainer.cal_epochs=4",
         "stop=fixed_epochs", "model.hidden=[16,8]", "budget.rounds=2")  # fmt: skip
OWN = ("acquisition.head_optimizer.lr=0.1", "acquisition.head_optimizer.weight_decay=0",
       "acquisition.head_optimizer.schedule={_target_: calrun.method.fit.optimizer.Step, milestones: [2], factor: 0.1}",
       )  # fmt: skip


def lrs(factory: OptimizerFactory, own: HeadOptimizer, epochs: int, **build: Any) -> list[list[float]]:
    """The learning rates of the network and of the head in each epoch."""
    net, head = nn.Linear(2, 2), nn.Linear(2, 1)
    optimizer, schedule = factory.build(net, epochs, beside=[Beside(list(head.parameters()), own)], **build)
    seen = []
    for _ in range(epochs):
        seen.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        if schedule is not None:
            schedule.step()
    return seen


def test_a_head_follows_the_network_unless_it_has_values_of_its_own() -> None:
    for network, head in lrs(OptimizerFactory(SGD, 0.4, False, cosine), HeadOptimizer(), 4):
        assert network == head


def test_own_rate_decay_and_schedule_stand_in_a_group_of_their_own() -> None:
    own = HeadOptimizer(lr=0.1, weight_decay=0.0, schedule=Step([2], 0.1))
    factory = OptimizerFactory(SGD, 0.4, False, cosine)
    seen = lrs(factory, own, 4)
    assert [network for network, _ in seen] == [pytest.approx(0.4 * cosine(epoch, 4)) for epoch in range(4)]
    assert [head for _, head in seen] == [pytest.approx(lr) for lr in (0.1, 0.1, 0.01, 0.01)]
    optimizer, _ = factory.build(nn.Linear(2, 2), 4, beside=[Beside([nn.Parameter(torch.ones(1))], own)])
    assert [group["weight_decay"] for group in optimizer.param_groups] == [5e-4, 0.0]


@pytest.mark.parametrize("network", [None, cosine])
def test_a_constant_head_beside_any_schedule_and_the_other_way_round(network: Any) -> None:
    seen = lrs(OptimizerFactory(SGD, 0.4, False, network), HeadOptimizer(lr=0.1, schedule=None), 4)
    assert [head for _, head in seen] == [0.1] * 4
    seen = lrs(OptimizerFactory(SGD, 0.4, False, None), HeadOptimizer(schedule=cosine), 4)
    assert [network for network, _ in seen] == [0.4] * 4
    assert [head for _, head in seen] == [pytest.approx(0.4 * cosine(epoch, 4)) for epoch in range(4)]


def test_schedules_by_step_and_the_scale_of_replay_reach_the_head() -> None:
    factory = OptimizerFactory(SGD, 0.4, True, cosine, schedule_every="step")
    seen = lrs(factory, HeadOptimizer(lr=0.1, schedule=Step([1], 0.5)), 4, steps=2, lr_scale=3.0)
    assert [head for _, head in seen] == [pytest.approx(lr) for lr in (0.3, 0.3, 0.15, 0.15)]
    assert [net for net, _ in seen] == [pytest.approx(1.2 * cosine(step / 2, 4)) for step in range(4)]


def test_a_smaller_run_shortens_milestones_of_the_head() -> None:
    assert Beside([], HeadOptimizer(schedule=Step([160], 0.1))).scaled(0.1).own.schedule == Step([16], 0.1)
    assert Beside([]).scaled(0.1) == Beside([])


def test_a_run_gives_the_head_its_values_and_goes_on_after_a_kill(
    configure: Callable[..., DictConfig], result_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    cfg = configure(*WORDS, *OWN)
    exp, _ = played(tmp_path / "unbroken", cfg, every=1e9)
    optimizer: Any = exp.method.configure_optimizers()  # type: ignore[attr-defined]
    network, head = optimizer[0][0].param_groups
    assert (network["lr"], head["lr"], head["weight_decay"]) == (cfg.optimizer.lr, 0.1, 0)
    with pytest.raises(Killed):
        played(tmp_path / "broken", cfg, epochs=7)
    played(tmp_path / "broken", cfg)
    assert result_of(tmp_path / "broken") == result_of(tmp_path / "unbroken")
    played(tmp_path / "plain", configure(*WORDS))
    assert result_of(tmp_path / "plain") != result_of(tmp_path / "unbroken")


def test_the_networks_values_written_out_give_the_same_run(
    configure: Callable[..., DictConfig], result_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    played(tmp_path / "plain", configure(*WORDS))
    lr = "acquisition.head_optimizer.lr=${optimizer.lr}"
    played(tmp_path / "written", configure(*WORDS, lr, "acquisition.head_optimizer.weight_decay=5.0e-4"))
    assert result_of(tmp_path / "plain") == result_of(tmp_path / "written")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("acquisition.head_optimizer.lr=0",), "acquisition.head_optimizer.lr wants a finite learning rate above 0"),
        (("acquisition.head_optimizer.weight_decay=-1",), "head_optimizer.weight_decay wants at least 0, got -1"),
        (("acquisition.head_optimizer.schedule=cosine",), "head_optimizer.schedule wants an object"),
        (("acquisition.head_optimizer.rate=1",), "rate"),
        (("acquisition.head_optimizer.weight_decay=0.1", "optimizer.optimizer._target_=torch.optim.Rprop",
          "~optimizer.optimizer.momentum", "~optimizer.optimizer.weight_decay", "~optimizer.optimizer.fused"),
         "but Rprop has no weight decay"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_sentence(
    more: tuple[str, ...], said: str, refusal: Callable[..., str], small: tuple[str, ...]
) -> None:
    assert said in refusal("run", *small, "acquisition=learning_loss", *more)


def test_a_head_that_is_none_has_no_optimizer(refusal: Callable[..., str], small: tuple[str, ...]) -> None:
    words = ("acquisition=disal_reconstructed", "acquisition.head.kind=none", "acquisition.head_optimizer.lr=0.1")
    assert "acquisition.head.kind=none has no head" in refusal("run", *small, *words)


def test_null_is_as_the_networks(play: Callable[..., Any]) -> None:
    assert play("acquisition=tidal", "acquisition.head_optimizer=null", "budget.rounds=1").code == 0


def test_no_rate_is_infinite() -> None:
    with pytest.raises(ValueError, match="finite"):
        HeadOptimizer(lr=math.inf)
