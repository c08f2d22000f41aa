"""Which arguments of Lightning's Trainer a run takes."""

from collections.abc import Callable
from inspect import signature

import pytest
import pytorch_lightning as pl
from omegaconf import DictConfig

from calrun.check.lightning import OPEN, REFUSED
from calrun.training.trainer_options import refused_by_lightning

Refusal = Callable[..., str]


@pytest.fixture
def refused(refusal: Refusal, small: tuple[str, ...]) -> Refusal:
    """Plays a small run that must be refused."""
    return lambda *overrides: refusal("run", *small, *overrides)


def test_every_argument_of_lightnings_trainer_is_judged() -> None:
    refused = [name for names in REFUSED.values() for name in names]
    assert sorted([*refused, *OPEN]) == sorted(signature(pl.Trainer).parameters)


@pytest.mark.parametrize(
    "setting",
    [
        *("fast_dev_run=true", "max_steps=2", "limit_train_batches=1", "overfit_batches=1", "barebones=true"),
        *("min_epochs=9", "max_time='00:00:00:01'", "max_epochs=1", "min_steps=3"),
    ],
)
def test_nothing_but_the_stopping_rule_ends_a_fit(setting: str, refused: Refusal) -> None:
    name = setting.partition("=")[0]
    line = refused(f"+trainer.lightning.{setting}")
    assert f"trainer.lightning sets {name}, but a fit ends when the stopping rule says so" in line


def test_arguments_are_refused_all_at_once_with_what_to_do_for_each(refused: Refusal) -> None:
    line = refused(
        "+trainer.lightning.max_steps=2", "+trainer.lightning.strategy=ddp", "+trainer.lightning.precision=bf16-true"
    )
    assert "sets max_steps, but" in line
    assert "sets strategy, but a run trains on one device" in line
    assert "sets precision, but it has a key of its own: set it as trainer.NAME" in line


@pytest.mark.parametrize("key", ["precision", "predict_precision"])
@pytest.mark.parametrize("precision", ["16-true", "bf16-true", "64-true", "transformer-engine", "banana"])
def test_a_precision_of_the_weights_themselves_is_refused_by_name(key: str, precision: str, refused: Refusal) -> None:
    assert f"trainer.{key}={precision} is none of 32-true, 32, 16-mixed" in refused(f"trainer.{key}={precision}")


def test_variables_that_would_cut_every_fit_are_named(refused: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_TRAINER_FAST_DEV_RUN", "1")
    assert "the environment sets PL_TRAINER_FAST_DEV_RUN" in refused()


def test_what_is_open_reaches_lightning(configure: Callable[..., DictConfig]) -> None:
    assert refused_by_lightning(configure("+trainer.lightning.detect_anomaly=true").trainer) == []
    assert "Lightning refuses" in refused_by_lightning(configure("+trainer.lightning.banana=1").trainer)[0]
    assert "asks for 2" in refused_by_lightning(configure("trainer.devices=2").trainer)[0]
