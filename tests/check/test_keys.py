"""A key that no piece reads is refused with the one that was meant, and no advice leads to a value that is ignored."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Refusal = Callable[..., str]


@pytest.fixture
def refused(refusal: Refusal, small: tuple[str, ...], tmp_path: Path) -> Refusal:
    """Plays a small run that must be refused before anything is written, and without advice to add a key."""

    def run(*overrides: str) -> str:
        line = refusal("run", *small, *overrides)
        assert not [path for path in tmp_path.glob("outputs/**/*") if path.is_file()]
        return line

    return run


@pytest.mark.parametrize("sign", ["", "+", "++"])
@pytest.mark.parametrize(
    ("override", "nearest"),
    [
        ("acquisiton=badge", "acquisition"),
        ("seeed=3", "seed"),
        ("lr=0.1", "optimizer.lr"),
        ("batch_size=3", "trainer.batch_size"),
        ("optimiser.lr=0.1", "optimizer.lr"),
        ("trainer.max_epoch=3", "trainer.max_epochs"),
        ("record.keep_state=true", "record.keep_states"),
        ("paths.output=x", "paths.outputs"),
        ("logger.mod=online", ""),
        ("dataset.num_trian=3", "dataset.num_train"),
        ("model.hiden=[3]", "model.hidden"),
        ("stop.treshold=1", "stop.threshold"),
        ("hydra.jobb.num=3", "hydra.job"),
    ],
)
def test_a_mistyped_key_is_refused_with_the_nearest(sign: str, override: str, nearest: str, refused: Refusal) -> None:
    line = refused(sign + override)
    assert "is no option" in line
    assert f", the nearest is {nearest}" in line or not nearest or override.count(".") > nearest.count(".")
    assert "+" not in line


def test_a_finished_run_refuses_what_it_would_not_look_at(
    play: Callable[..., Any], refusal: Refusal, small: tuple[str, ...]
) -> None:
    assert play("budget.rounds=1").code == 0
    for key in ("logger.zzz", "record.zzz", "paths.zzz"):
        assert f"{key} is no option; " in refusal("run", *small, "budget.rounds=1", f"+{key}=1")


def test_a_far_key_names_no_nearest_one(refused: Refusal) -> None:
    for override in ("dataset.zzz=1", "+dataset.zzz=1", "+logger.zzz=1"):
        assert "is no option; " in refused(override)


def test_a_plus_is_advised_only_where_the_value_is_read(refused: Refusal) -> None:
    assert "write +method.phases=... to give it one" in refused("method.phases=banana")
    assert "method.phases wants" in refused("+method.phases=banana")
    assert "write +trainer.lightning.banana=..." in refused("trainer.lightning.banana=1")
    assert "Lightning refuses" in refused("+trainer.lightning.banana=1")


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("+model.num_classes=3", "model.num_classes comes from the data set; leave it out"),
        ("+method.setup=3", "method.setup comes from calrun; leave it out"),
        ("~seed", "a run wants seed, but it is taken away; leave ~seed out"),
        ("~trainer.batch_size", "leave ~trainer.batch_size out"),
        ("~logger", "leave ~logger out and choose one of: none, trackio, wandb"),
        ("~banana", "there is no banana to take away"),
        ("acquisition=null", "a group wants the name of an option, got nothing"),
        ("acquisition=bagde", "acquisition=bagde is no option, the nearest is badge; choose one of: "),
        ("+acquisition=badge", "acquisition is chosen already; write acquisition=badge without a + before it"),
        ("+seed=3", "seed has a value already; write seed=... without a + before it"),
        ("hydra/luncher=slurm", "there is no group hydra/luncher, the nearest is hydra/launcher"),
        ("paths.outputs=null", "paths.outputs has no value; give it one"),
        (
            "hparams=fmnist_cal_er",
            "hparams=fmnist_cal_er are values for dataset=fmnist with method=cal_er, but this run",
        ),
        ("seed=9223372036854775808", "seed wants a whole number up to 9223372036854775807"),
    ],
)
def test_what_would_be_passed_over_is_refused(override: str, wanted: str, refused: Refusal) -> None:
    assert wanted in refused(override)


@pytest.mark.parametrize("name", ["null", "1e3", "''", "..", "../x", "a/../../x", "/x", "."])
def test_an_experiment_cannot_leave_the_outputs(name: str, refused: Refusal, tmp_path: Path) -> None:
    assert "experiment_name" in refused(f"experiment_name={name}")
    assert {path.name for path in tmp_path.iterdir()} <= {"outputs"}


def test_keys_of_a_users_own_yaml_are_held_to_the_same(refused: Refusal, tmp_path: Path) -> None:
    own = tmp_path.parent / f"{tmp_path.name}-conf"
    for name, text, wanted in (
        ("trainer/mine", "defaults: [cpu, _self_]\nbatchsize: 3\n", "trainer.batchsize is no option, the nearest is"),
        ("model/mine", "_target_: calrun.model.mlp.mlp\nhiden: [3]\ndropout: 0.0\n", "model.hiden is no option"),
        ("experiment/mine", "# @package _global_\noptimiser:\n  lr: 3\n", "optimiser is no option, the nearest is"),
        (
            "experiment/home",
            "# @package _global_\npaths:\n  data: ~/x\n",
            "paths.data is ~/x, but only a shell reads ~",
        ),
    ):
        path = own / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        assert wanted in refused("--config-dir", str(own), name.replace("/", "="))


def test_a_key_that_others_are_made_of_is_read(play: Callable[..., Any], refused: Refusal) -> None:
    assert "mine is no option" in refused("+mine=0.01")
    assert play("+mine=0.01", "optimizer.lr=${mine}", "budget.rounds=1").code == 0


def test_plan_refuses_what_run_refuses(refusal: Refusal, small: tuple[str, ...]) -> None:
    assert "the nearest is acquisition" in refusal("plan", *small, "+acquisiton=badge")
    assert "hparams=fmnist_cal_er are values for" in refusal("plan", *small, "hparams=fmnist_cal_er")
    assert "write seed=3" in refusal("plan", *small, "--seed=3")
