"""The recipes of Beck et al. 2021: Tables 4 to 11, row by row, and the arms of each figure."""

from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from calrun.places import CONF, options
from calrun.sweep.costs import most_samples
from calrun.sweep.reproduce import reproduction
from calrun.sweep.sweep import job_config

RECIPES = [name for name in options("experiment")["experiment"] if name.startswith("beck/")]
ROWS = {  # data set, model, labels (first, second, last), lr, batch, most epochs, runs, gradient samples in millions
    "table2": ("cifar10", "resnet18", (1000, 2000, 25_000), 0.01, 20, 300, 27, 97.5),
    "table3": ("cifar10", "resnet18", (1000, 4000, 25_000), 0.01, 20, 300, 18, 35.1),
    "table12": ("mnist", "lenet", (50, 60, 150), 0.01, 20, 3000, 36, 3.3),
    "table13": ("cifar10", "resnet18", (1000, 4000, 25_000), 0.01, 20, 300, 4, 35.1),
    "table14": ("cifar10", "resnet18", (1000, 4000, 25_000), 0.01, 20, 300, 18, 35.1),
    "fig1_cifar10": ("cifar10", "resnet18", (1000, 4000, 25_000), 0.01, 20, 300, 24, 35.1),
    "fig1_cifar100": ("cifar100", "resnet18", (5000, 10_000, 50_000), 0.01, 20, 300, 24, 82.5),
    "fig1_fmnist": ("fmnist", "resnet18", (3000, 6000, 15_000), 0.01, 64, 150, 24, 6.75),
    "fig1_svhn": ("svhn", "resnet18", (1000, 2000, 18_000), 0.01, 64, 150, 24, 25.65),
    "fig2_resnet18": ("cifar10", "resnet18", (1000, 4000, 25_000), 0.01, 20, 300, 18, 35.1),
    "fig2_vgg11": ("cifar10", "vgg11", (1000, 4000, 25_000), 0.001, 20, 300, 18, 35.1),
    "fig3": ("cifar10", "resnet18", (1000, 4000, 25_000), 0.01, 20, 300, 18, 35.1),
    "fig4": ("cifar10", "resnet18", (500, 1000, 5500), 0.01, 20, 300, 36, 9.9),
    "fig5_cifar10": ("cifar10", "resnet18", (1000, 2000, 10_000), 0.01, 20, 300, 27, 16.5),
    "fig5_fmnist": ("fmnist", "resnet18", (1000, 2000, 10_000), 0.01, 64, 150, 27, 8.25),
    "fig6": ("cifar10", "resnet18", (1000, 4000, 25_000), 0.01, 20, 300, 18, 35.1),
    "fig7": ("mnist", "lenet", (300, 1300, 15_300), 0.01, 20, 300, 24, 37.44),
    "fig8": ("mnist", "lenet", (50, 60, 150), 0.01, 20, 3000, 36, 3.3),
    "fig9_cifar10_dla": ("cifar10", "dla", (1000, 4000, 25_000), 0.01, 20, 300, 24, 35.1),
    "fig9_cifar10_vgg19": ("cifar10", "vgg19", (1000, 4000, 25_000), 0.01, 128, 300, 24, 35.1),
    "fig9_svhn_vgg19": ("svhn", "vgg19", (1000, 2000, 18_000), 0.001, 32, 300, 24, 51.3),
    "fig10": ("cifar10", "resnet18", (1000, 4000, 25_000), 0.01, 20, 300, 36, 35.1),
    "fig11": ("cifar10", "resnet18", (500, 1000, 5500), 0.01, 20, 300, 36, 9.9),
    "fig12_cifar10": ("cifar10", "resnet18", (1000, 4000, 25_000), 0.01, 20, 300, 36, 35.1),
    "fig12_svhn": ("svhn", "resnet18", (1000, 2000, 18_000), 0.01, 64, 150, 36, 25.65),
}


def job(name: str, number: int = 0) -> tuple[Any, dict[str, Any]]:
    overrides = reproduction(f"beck/{name}", seeds="0").overrides[number]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg, choices = job_config(overrides)
    OmegaConf.to_container(cfg, resolve=True)
    return cfg, choices


def test_every_recipe_has_a_row() -> None:
    assert {f"beck/{name}" for name in ROWS} == set(RECIPES)


@pytest.mark.parametrize("name", ROWS)
def test_a_recipe_is_its_row_of_the_papers_tables(name: str) -> None:
    data, model, labels, lr, batch_size, epochs, runs, millions = ROWS[name]
    cfg, choices = job(name)
    sizes = instantiate(cfg.budget).planned(60_000)
    assert (choices["dataset"], choices["model"]) == (data, model)
    assert (choices["stop"], choices["method"]) == ("distil", "al")
    assert (sizes[0], sizes[1], sizes[-1]) == labels
    assert (cfg.optimizer.lr, cfg.trainer.batch_size, cfg.trainer.max_epochs) == (lr, batch_size, epochs)
    assert (cfg.stop.rule.max_epochs, cfg.stop.rule.threshold, cfg.stop.rule.window) == (epochs, 0.99, 10)
    if name != "fig2_vgg11":  # with Adam, as in Table 5
        assert (cfg.optimizer.optimizer.momentum, cfg.optimizer.optimizer.weight_decay) == (0.9, 5e-4)
        assert cfg.optimizer.schedule._target_.endswith("cosine")
    assert (cfg.seed_set_seed, cfg.experiment_name) == (42, "beck/table12" if name == "fig8" else f"beck/{name}")
    assert len(reproduction(f"beck/{name}").overrides) == runs
    assert most_samples(cfg, 60_000) / 1e6 == pytest.approx(millions)


@pytest.mark.parametrize("name", ["fig12_cifar10", "fig12_svhn"])
def test_the_second_arm_is_adam_without_augmentation(name: str) -> None:
    arms = [job(name, number) for number in (0, 6)]
    assert [choices["optimizer"] for _, choices in arms] == ["sgd_cosine", "adam"]
    assert [cfg.dataset.augment for cfg, _ in arms] == [True, False]
    assert (arms[1][0].optimizer.lr, arms[1][0].optimizer.optimizer.weight_decay) == (0.01, 0)


def test_augmentation_and_optimizer_are_swept_alone() -> None:
    plain, augmented = job("fig2_resnet18", 3), job("fig2_resnet18", 0)
    assert plain[1]["optimizer"] == augmented[1]["optimizer"] == "sgd_cosine"
    assert (plain[0].dataset.augment, augmented[0].dataset.augment) == (False, True)
    adam, _ = job("fig3", 3)
    assert (adam.optimizer.lr, adam.optimizer.schedule) == (0.01, None)
    assert adam.dataset.augment


def test_data_of_the_figures_on_redundancy_and_on_rows_per_class() -> None:
    assert [job(name)[0].row_transform.copies for name in ("fig4", "fig11")] == ["exact", "shifted"]
    assert [job("fig4", number)[0].row_transform.factor for number in (0, 3, 6, 9)] == [2, 5, 10, 20]
    assert job("fig4")[0].row_transform.unique == 5000
    cfg, choices = job("fig5_fmnist", 8)
    assert (cfg.row_transform.count, choices["initial"]) == (3100, "class_balanced")


def test_badge_on_cifar_100_is_partitioned_as_in_the_notebook() -> None:
    cfg, _ = job("fig1_cifar100", 4)
    own = cfg.acquisition
    assert (own.partitions, own.shuffle, own.split_labelled, own.inner.condition_on_labelled) == (
        5,
        False,
        False,
        False,
    )


def test_figure_10_crosses_averaged_weights_and_the_shake_shake_network() -> None:
    pairs = {(job("fig10", number)[1]["model"], job("fig10", number)[1]["optimizer"]) for number in (0, 3, 6, 9)}
    assert pairs == {(model, own) for model in ("resnet18", "shake_shake") for own in ("sgd_cosine", "sgd_swa")}


def test_subsets_are_those_of_table_11() -> None:
    cfg, choices = job("table14", 1)
    assert choices["method"] == "al_gradmatch"
    assert (cfg.method.visit.share, cfg.method.visit.every_epochs, cfg.method.visit.full_every_rounds) == (0.3, 35, 3)
