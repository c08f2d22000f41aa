"""What every data-set recipe must obey."""

from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest
from hydra.utils import get_method, instantiate
from omegaconf import OmegaConf

RECIPES = sorted((Path(__file__).parents[2] / "conf" / "dataset").glob("*.yaml"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_names_its_module_and_every_argument_of_its_loader(recipe: Path) -> None:
    cfg = OmegaConf.load(recipe)
    assert cfg.dataset._target_ == f"calrun.dataset.{recipe.stem}.load"
    arguments = {name for name in cfg.dataset if name != "_target_"}
    told = {"seed"}  # the run's
    assert arguments == set(signature(get_method(cfg.dataset._target_)).parameters) - told
    if "transform" in cfg.dataset:
        instantiate(cfg.dataset.transform)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_rows_without_labels_are_read_with_the_options_of_the_recipe(recipe: Path) -> None:
    cfg = OmegaConf.load(recipe)
    read = getattr(import_module(f"calrun.dataset.{recipe.stem}"), "rows", None)
    if read is None:
        pytest.skip("reads no rows but its own")
    first, *others = signature(read).parameters
    assert first == "place"
    assert set(others) <= {"inputs", "splits", *map(str, cfg.dataset)}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_sets_the_whole_configuration_and_chooses_model_optimizer_and_budget(recipe: Path) -> None:
    assert recipe.read_text().startswith("# @package _global_\n")
    cfg = OmegaConf.load(recipe)
    chosen = [next(iter(default)) for default in cfg.defaults]
    assert chosen[:3] == ["override /model", "override /optimizer", "override /budget"]
    assert chosen[3:] in ([], ["override /task", "override /stop"])  # of pixels
    assert {"batch_size", "max_epochs", "cal_epochs"} == set(cfg.trainer) - {"predict_batch_size"}
    assert cfg.optimizer.lr > 0
