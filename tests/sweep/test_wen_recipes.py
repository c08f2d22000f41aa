"""The recipes of Wen et al. 2024: each setting and arm is what the paper has, with its values of that data set."""

from collections.abc import Callable
from typing import Any

import pytest
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from calrun.places import CONF
from calrun.sweep.reproduce import reproduction
from calrun.sweep.sweep import job_config

Composed = Callable[..., tuple[Any, dict[str, Any]]]


@pytest.fixture
def composed() -> Composed:
    def of(setting: str, arm: str) -> tuple[Any, dict[str, Any]]:
        words = [
            f"+experiment/wen/setting=_{setting}",
            f"+experiment/wen/arm=_{arm}",
            "experiment=wen/table8",
            "seed=0",
        ]
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg, choices = job_config([*words, "model.checkpoint=backbone.pt"])
        OmegaConf.to_container(cfg, resolve=True)
        return cfg, choices

    return of


def test_a_table_is_three_data_sets_and_five_arms() -> None:
    planned = reproduction("wen/table9", seeds="0")
    assert len(planned.overrides) == 15
    assert len({overrides[:2] for overrides in planned.overrides}) == 15


def test_the_baseline_is_fine_tuned_on_random_rows(composed: Composed) -> None:
    cfg, choices = composed("cifar100_ablation", "random")
    assert [choices[group] for group in ("dataset", "model", "method", "acquisition", "initial")] == [
        *("cifar100", "resnet50", "finetune", "random", "random")
    ]
    assert (cfg.optimizer.lr, cfg.optimizer.head_lr, cfg.trainer.max_epochs) == (0.05, 0.1, 150)  # Table 5
    assert (cfg.budget.start, cfg.budget.rounds) == (400, 15)
    assert cfg.dataset.transform._target_.endswith("ResizedCrop")
    assert (cfg.dataset.transform.size, cfg.model.checkpoint) == (224, "backbone.pt")


def test_asvp_has_both_recipes_and_the_switches_of_its_arm(composed: Composed) -> None:
    cfg, choices = composed("pets", "asvp_feature")
    assert [choices[group] for group in ("dataset", "method", "acquisition")] == ["pets", "asvp", "badge"]
    assert (cfg.method.feature_alignment, cfg.method.training_alignment) == (True, False)
    probing, tuning = cfg.method.aligned.phases
    assert (probing.stop.epochs, probing.optimizer.lr, tuning.stop.epochs) == (20, 0.5, 120)  # Table 6
    assert cfg.method.full.phases[0].stop.epochs == cfg.trainer.max_epochs == 140  # Table 5: as many as both


def test_a_recipe_without_its_checkpoint_does_not_begin_from_random_weights() -> None:
    """A missing value (???) would leave the null of the option that it overrides."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        emam, _ = job_config(["experiment=emam/fig5"])
        wen, _ = job_config(["experiment=wen/table4"])
    assert emam.method.start.path == wen.model.checkpoint == "FILE"
