"""The recipes of Wen et al. 2024: each setting and arm is what the paper has, with its values of that data set."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from calrun.places import CONF
from calrun.report.verdict.printed import paper_table
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


@pytest.mark.parametrize(
    ("arm", "mode", "regions"),
    [
        ("observed", "observe", []),
        ("replaced_a1", "replace", ["A1"]),
        ("replaced_a2", "replace", ["A2"]),
        ("replaced_b1", "replace", ["B1"]),
        ("replaced_b2", "replace", ["B2"]),
        ("replaced_a2_b2", "replace", ["A2", "B2"]),
        ("only_c", "only", ["C"]),
        ("only_d", "only", ["D"]),
    ],
)
def test_an_analysis_is_svpp_by_margin_with_its_regions(
    arm: str, mode: str, regions: list[str], composed: Composed
) -> None:
    cfg, choices = composed("cifar10", arm)
    assert (choices["method"], choices["acquisition"]) == ("svpp", "regions")
    assert cfg.acquisition.inner._target_.endswith("Margin")
    assert (cfg.acquisition.mode, list(cfg.acquisition.regions)) == (mode, regions)
    assert cfg.method.evaluate_at == "every"  # the fine-tuned network chooses in every round


def test_the_arms_beside_those_of_the_tables(composed: Composed) -> None:
    _, choices = composed("imagenet", "standard_lp_ft")
    assert choices["method"] == "lp_ft"
    cfg, choices = composed("imagenet", "svpp_lp_ft")
    assert (choices["method"], cfg.method.max_updates, cfg.method.training_alignment) == ("asvp", 0, True)
    cfg, choices = composed("cifar10", "map")
    assert (choices["method"], choices["acquisition"], cfg.budget.start, cfg.budget.rounds) == (
        *("finetune", "random"),
        *(1.0, 1),
    )


@pytest.mark.parametrize(
    ("name", "runs"),
    [("fig1", 4), ("fig5", 6), ("fig6", 2), ("fig7", 5), ("fig8", 5), ("fig9", 4), ("fig13", 6), ("fig14", 3)],
)
def test_a_figure_has_its_lines_and_no_verdict(name: str, runs: int) -> None:
    assert len(reproduction(f"wen/{name}", seeds="0").overrides) == runs
    assert paper_table(f"wen/{name}") is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "arm", ["observed", "only_c", "only_d", "replaced_a1", "replaced_a2_b2", "map", "svpp_lp_ft", "standard_lp_ft"]
)
def test_an_arm_plays_on_a_small_data_set(arm: str, play: Callable[..., Any], tmp_path: Path) -> None:
    answer = play(f"+experiment/wen/arm=_{arm}", "record.dynamics=true")
    assert answer.code == 0, answer.err
    lines = [json.loads(line) for path in tmp_path.rglob("rounds.jsonl") for line in path.read_text().splitlines()]
    assert lines[-1]["test"]["test"]["accuracy"] is not None
    assert ("region_O" in lines[0]["notes"]) == arm.startswith(("observed", "only", "replaced"))


def test_a_recipe_without_its_checkpoint_does_not_begin_from_random_weights() -> None:
    """A missing value (???) would leave the null of the option that it overrides."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        emam, _ = job_config(["experiment=emam/fig5"])
        wen, _ = job_config(["experiment=wen/table4"])
    assert emam.method.start.path == wen.model.checkpoint == "FILE"
