"""The recipes of Emam et al. 2021: the backbone that a header tells how to make is that of its recipe."""

import re

import pytest
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from calrun.places import CONF
from calrun.plan.plan import composed
from calrun.sweep.sweep import job_config


@pytest.mark.parametrize("name", ["fig4", "fig5"])
def test_the_command_of_the_header_pre_trains_on_the_rows_of_the_recipe(name: str) -> None:
    text = (CONF / "experiment" / "emam" / f"{name}.yaml").read_text()
    (words,) = re.findall(r"# python scripts/pretrain\.py --out FILE --epochs 1000 (.*)\n", text)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        recipe, _ = job_config([f"experiment=emam/{name}", "seed=0"])
    told = composed(words.split(), None)
    for node in ("model", "row_transform"):
        assert OmegaConf.to_container(told[node]) == OmegaConf.to_container(recipe[node])
    assert told.dataset._target_ == recipe.dataset._target_


def test_the_settings_are_those_of_table_3() -> None:
    values = {
        "fig5": ("cifar10", "resnet18", "finetune", 200, 1e-3, 5e-4, 50),
        "fig4": ("cifar10", "resnet18", "finetune", 200, 2e-3, 0, 50),
        "fig2_finetune": ("imagenet", "resnet50", "finetune", 60, 1e-3, 0, 30),
        "fig2_linear": ("imagenet", "resnet50", "linear_probe", 60, 15, 1e-4, 30),
    }
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for name, wanted in values.items():
            cfg, choices = job_config([f"experiment=emam/{name}", "seed=0"])
            stop = cfg.method.phases[0].get("stop") or cfg.stop
            found = (cfg.trainer.max_epochs, cfg.optimizer.lr, cfg.optimizer.optimizer.weight_decay, stop.patience)
            assert (choices["dataset"], choices["model"], choices["method"], *found) == wanted, name
            assert cfg.trainer.batch_size == 128
