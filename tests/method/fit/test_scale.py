"""Smaller versions of runs."""

from collections.abc import Callable

import pytest
from omegaconf import DictConfig

from calrun.experiment import build
from calrun.method.composed import Composed
from calrun.method.fit.scale import scaled

Configure = Callable[..., DictConfig]
TENTH = ("scale=0.1", "trainer.max_epochs=200", "trainer.cal_epochs=100", "budget.start=50")


@pytest.fixture
def tenth(configure: Configure) -> Callable[..., Composed]:
    """Builds the method of a run at a tenth."""
    return lambda *words: build(configure(*TENTH, *words)).method


def test_scaled_numbers_stay_apart() -> None:
    assert scaled([100, 101, 102, 400], 0.01) == [1, 2, 3, 4]
    assert scaled([100, 200], 1.0) == [100, 200]


def test_epochs_of_the_trainer_reach_every_rule_once(tenth: Callable[..., Composed]) -> None:
    method = tenth("method=cal_er")
    assert [method.stop_rules(number)[0].max_epochs for number in (1, 2)] == [20, 10]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("stop.max_epochs=50",), {"max_epochs": 5}),  # written in place of the interpolation
        (("stop=early_stopping", "val_fraction=0.1"), {"patience": 5, "max_epochs": 20}),
        (("stop=early_stopping", "val_fraction=0.1", "stop.patience=0"), {"patience": 0}),
        (("stop=early_stopping", "val_fraction=0.1", "stop.patience=3"), {"patience": 1}),
        (("stop=saturation", "stop.window=40"), {"window": 4}),
        (("stop=saturation",), {"window": 2, "threshold": 0.99}),  # the least that can be compared
    ],
)
def test_stopping_rules_shrink(words: tuple[str, ...], found: dict[str, float], tenth: Callable[..., Composed]) -> None:
    (rule,) = tenth(*words).stop_rules(1)
    assert {name: getattr(rule, name) for name in found} == found


def test_epochs_written_in_phases_shrink(tenth: Callable[..., Composed]) -> None:
    rules = tenth("method=lp_ft", "method.phases.0.stop.epochs=30").stop_rules(1)
    assert [rule.max_epochs for rule in rules] == [3, 20]


def test_milestones_shrink_if_they_are_epochs_and_not_shares(configure: Configure) -> None:
    words = (*TENTH, "optimizer=sgd_step", "optimizer.schedule.milestones=[30,0.8]")
    schedule = build(configure(*words)).method.optimizer.scaled(0.1).schedule
    assert [schedule(epoch, 20) for epoch in (2, 3, 15, 16)] == pytest.approx([1, 0.1, 0.1, 0.01])


def test_a_whole_run_is_as_written(configure: Configure) -> None:
    exp = build(configure("optimizer=sgd_step", "optimizer.schedule.milestones=[3,2]", "stop=saturation"))
    assert exp.method.stop_rules(1)[0].window == 10
    assert exp.method.optimizer.scaled(1.0).schedule.milestones == [3, 2]
