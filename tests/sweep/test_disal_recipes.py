"""The recipes of the DISAL supplement: Table 2 and Sec. 2.2, row by row, and what is said of its numbers."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf
from rich.console import Console

from calrun.places import CONF
from calrun.round import planned_rounds
from calrun.sweep.costs import most_samples
from calrun.sweep.reproduce import reproduce, reproduction
from calrun.sweep.sweep import job_config

Composed = Callable[..., tuple[Any, dict[str, Any]]]
TEN = ["random", "head_dropout", "learning_loss", "coreset", "vaal", "core_gcn", "boosting", "tidal", "tod"]
TEN += ["disal_reconstructed"]
ROWS = {  # Tables 1 and 2: pool, first and last labels, lr, batch size, epochs; gradient samples in millions
    "cifar10": (50_000, 5_000, 20_000, 0.1, 128, 200, 17.5),
    "cifar100": (50_000, 5_000, 20_000, 0.1, 128, 200, 17.5),
    "svhn": (73_257, 7_324, 29_296, 0.1, 128, 200, 25.6),
    "caltech101": (8_046, 805, 3_218, 0.01, 64, 50, 0.7),
    "imagenet100": (50_000, 5_000, 20_000, 0.1, 128, 200, 17.5),
    "cifar100_ir10": (19_573, 2_000, 8_000, 0.1, 128, 200, 7.0),
    "cifar10_ir100": (12_406, 1_000, 4_000, 0.1, 128, 200, 3.5),
}


def composed(name: str, *more: str) -> tuple[Any, dict[str, Any]]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg, choices = job_config([f"experiment=disal/{name}", "acquisition=random", "seed=0", *more])
    OmegaConf.to_container(cfg, resolve=True)
    return cfg, choices


@pytest.mark.parametrize("name", ROWS)
def test_a_recipe_is_its_row_of_the_table(name: str) -> None:
    pool, first, last, lr, batch_size, epochs, millions = ROWS[name]
    cfg, choices = composed(name)
    sizes = instantiate(cfg.budget).planned(pool)
    assert (len(sizes), sizes[0], sizes[-1]) == (7, first, last)
    assert (cfg.optimizer.lr, cfg.trainer.batch_size, cfg.trainer.max_epochs) == (lr, batch_size, epochs)
    assert (cfg.optimizer.optimizer.momentum, cfg.optimizer.optimizer.weight_decay) == (0.9, 5e-4)
    assert (list(cfg.optimizer.schedule.milestones), cfg.optimizer.schedule.factor) == ([0.8], 0.1)
    assert (choices["stop"], choices["method"], choices["initial"]) == ("fixed_epochs", "al", "random")
    assert choices["model"] == ("resnet18" if choices["dataset"] in ("cifar10", "cifar100", "svhn") else "resnet18_224")
    assert most_samples(cfg, pool) / 1e6 == pytest.approx(millions, abs=0.06)
    assert len(list(planned_rounds(sizes))) == 7


@pytest.mark.parametrize(("name", "ratio"), [("cifar100_ir10", 10), ("cifar10_ir100", 100), ("cifar10", None)])
def test_imbalance_is_a_row_transform(name: str, ratio: int | None) -> None:
    cfg, choices = composed(name)
    assert choices["row_transform"] == ("none" if ratio is None else "imbalance")
    assert cfg.row_transform.get("ratio") == ratio


@pytest.mark.parametrize("name", ROWS)
def test_ten_acquisitions_and_three_seeds_are_swept(name: str) -> None:
    overrides = reproduction(f"disal/{name}").overrides
    assert len(overrides) == 30
    assert {word for words in overrides for word in words if word.startswith("acquisition=")} == {
        f"acquisition={own}" for own in TEN
    }


def test_the_round_start_of_the_codes_is_one_word_away() -> None:
    cold, _ = composed("cifar10")
    warm, _ = composed("cifar10", "method=al_ws")
    assert cold.method.start._target_.endswith("Cold")
    assert warm.method.start._target_.endswith("Warm")


def test_candidate_subsets_of_the_codes_are_two_words_away() -> None:
    cfg, _ = composed("cifar10", "acquisition=subset_of", "acquisition@acquisition.inner=core_gcn")
    assert cfg.acquisition.size == 10_000
    assert cfg.acquisition.inner._target_.endswith("CoreGcn")


@pytest.mark.parametrize("name", [*ROWS, "cityscapes"])
def test_every_recipe_says_what_the_paper_leaves_open(name: str) -> None:
    text = (CONF / "experiment" / "disal" / f"{name}.yaml").read_text()
    assert "Round start: cold" in text
    assert "# Paper: " in text
    assert yaml.safe_load(text)["experiment_name"] == f"disal/{name}"


@pytest.mark.parametrize(("name", "ending"), [("cifar10", "only a figure"), ("imagenet100", "above the next best")])
def test_reproduce_says_which_numbers_are_printed(name: str, ending: str, tmp_path: Path) -> None:
    printed = io.StringIO()
    more = [f"paths.outputs={tmp_path}", f"paths.data={tmp_path}", "acquisition=random"]
    planned = reproduction(f"disal/{name}", seeds="0", more=more)
    reproduce(planned, dry_run=True, console=Console(file=printed, width=300))
    (line,) = [line for line in printed.getvalue().splitlines() if "numbers are printed" in line]
    assert "both at 20,000 labels of disal/imagenet100: DISAL 68.16 %" in line
    assert line.endswith(ending)
