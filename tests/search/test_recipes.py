"""The papers' grids: each recipe composes into the runs that its header says, on validation rows."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from calrun.places import CONF, options
from calrun.sweep.sweep import job_config, split_sweep

RECIPES = [name for name in options("experiment")["experiment"] if name.startswith("search/")]
WINNER = "hparams=cifar10_cal_er"  # stands for the winner of an earlier search


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_plays_the_runs_that_it_says_on_validation_rows(name: str) -> None:
    text = (CONF / "experiment" / f"{name}.yaml").read_text()
    words = [f"experiment={name}", *([WINNER] if "/hparams: ???" in text else [])]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=words, return_hydra_config=True)
        jobs = split_sweep(cfg.hydra.sweeper, words)
        first, choices = job_config(jobs[0])
    assert len({*jobs}) == len(jobs) == int(re.findall(r"; (\d+) runs\.", text)[0])
    assert first.experiment_name == name
    assert (first.val_fraction > 0) != (choices["dataset"] == "dermamnist")  # which has a split of its own
    assert f"experiment={name}" in text
    assert f"calrun best outputs/{name} --out conf/hparams/" in text
    OmegaConf.to_container(first, resolve=True)


def test_replay_sizes_follow_the_batch_size_that_was_found() -> None:
    words = ["experiment=search/cal_er", WINNER, "trainer.batch_size=13"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=words, return_hydra_config=True)
        jobs = split_sweep(cfg.hydra.sweeper, words)
    assert {job[0] for job in jobs} == {"method.visit.replay_size=13", "method.visit.replay_size=26"}


def test_a_step_without_the_winners_before_it_is_refused(refusal: Callable[..., str]) -> None:
    assert "You must specify 'hparams'" in refusal("run", "-m", "experiment=search/lp_ft_3_weight_decay")


@pytest.mark.parametrize("words", ["hparams=nothing", "hparams=[fmnist_cal_er,nothing]"])
def test_a_misspelt_winner_is_refused(refusal: Callable[..., str], words: str) -> None:
    assert "hparams=nothing is no option; choose one of" in refusal("run", words)


def test_values_of_another_pair_are_refused_among_several(refusal: Callable[..., str]) -> None:
    assert "fmnist_cal_er are values for dataset=fmnist" in refusal("run", "hparams=[fmnist_cal_er]")


def test_several_winners_are_taken_together(calrun: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "conf" / "hparams"
    folder.mkdir(parents=True)
    (folder / "a.yaml").write_text("# @package _global_\noptimizer:\n  lr: 0.125\n")
    (folder / "b.yaml").write_text("# @package _global_\ntrainer:\n  batch_size: 13\n")
    answer = calrun("run", "--config-dir", str(tmp_path / "conf"), "hparams=[a,b]", "--cfg", "job")
    assert "lr: 0.125" in answer.out
    assert "batch_size: 13" in answer.out
