"""Every option of every group composes and can be instantiated; values are applied in the right order."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from calrun.acquisition.base import Acquisition
from calrun.budget.base import Budget
from calrun.experiment import build
from calrun.logger.base import Logger
from calrun.method.fit.optimizer import OptimizerFactory
from calrun.places import CONF, options
from calrun.round import planned_rounds

Configure = Callable[..., DictConfig]
OPTIONS = options()
MISSING = {
    "timm": ["model.model_name=resnet18"],
    "torchvision": ["model.model_name=resnet18"],
    "torchvision_segmentation": ["model.model_name=fcn_resnet50"],
    "counts": ["budget.start=10", "budget.rounds=2"],
    "explicit": ["budget.labels=[10,20]"],
    "piecewise": ["budget.segments=[{until:20,step:10},{until:60,step:20}]"],
    "npz": ["dataset.path=x.npz"],
    "label_file": ["oracle.path=labels.csv"],
    "medmnist": ["dataset.flag=pathmnist"],
    "jpeg_npz": ["dataset.path=x.npz"],
    "image_folder": ["dataset.root=x", "model.model_name=resnet18"],
    "mask_folder": ["dataset.root=x", "dataset.mask.classes=[a,b]", "model.model_name=fcn_resnet50"],
    "file": ["initial.path=rows.txt"],
    "imbalance": ["row_transform.ratio=10"],
    "redundancy": ["row_transform.factor=2"],
    "per_class": ["row_transform.count=100"],
    "open_set": ["row_transform.share=0.4"],
    **{f"wen/{name}": ["model.checkpoint=backbone.pt"] for name in ("fig13", "table4", "table12")},
    **{
        f"emam/{name}": ["method.start.path=backbone.pt"]
        for name in ("fig2_finetune", "fig2_linear", "fig4", "fig5", "table1", "table2")
    },
    **{
        f"search/{name}": ["hparams=cifar10_cal_er"]  # for the winner of an earlier search
        for name in ("cal_der", "cal_er", "cal_mir", "cal_sd", "cal_sds2", "lp_ft_2_head_lr", "lp_ft_3_weight_decay")
    },
    "search/lp_ft_4_probe_epochs": ["hparams=cifar10_cal_er"],
}


@pytest.fixture(scope="module")
def cache() -> dict[tuple[str, ...], DictConfig]:
    """Configurations composed so far."""
    return {}


@pytest.fixture
def composed(configure: Configure, cache: dict[tuple[str, ...], DictConfig]) -> Configure:
    """Composes a configuration with one option chosen, and what only the user can say."""

    def chosen(group: str, option: str) -> DictConfig:
        words = (f"{group}={option}", *MISSING.get(option, []))
        if words not in cache:
            cache[words] = configure(*words, small=False)
        return cache[words]

    return chosen


@pytest.mark.parametrize(("group", "option"), [(g, o) for g, found in OPTIONS.items() for o in found if g != "hparams"])
def test_every_option_composes_into_a_whole_configuration(group: str, option: str, composed: Configure) -> None:
    """No interpolation leads nowhere, and nothing but what the user must say is missing."""
    cfg = composed(group, option)
    found = OmegaConf.to_container(cfg, resolve=True)
    allowed = {f"dataset.{key}" for key in ("path", "root", "label", "text")} | {
        "model.path",
        "budget.start",
        "budget.rounds",
    }
    assert {key for key in missing_keys(found)} <= allowed


def missing_keys(value: Any, where: str = "") -> list[str]:
    """The keys that are ??? in a container."""
    if isinstance(value, dict):
        return [key for name, item in value.items() for key in missing_keys(item, f"{where}.{name}".lstrip("."))]
    return [where] if value == "???" else []


@pytest.mark.parametrize("option", OPTIONS["acquisition"])
def test_every_acquisition_can_be_made_alone(option: str, composed: Configure) -> None:
    made = instantiate(composed("acquisition", option).acquisition)
    assert isinstance(made, Acquisition)


@pytest.mark.parametrize("option", OPTIONS["initial"])
def test_every_initial_rule_can_be_made(option: str, composed: Configure) -> None:
    assert isinstance(instantiate(composed("initial", option).initial), Acquisition)


@pytest.mark.parametrize("option", OPTIONS["optimizer"])
def test_every_optimizer_can_be_made(option: str, composed: Configure) -> None:
    assert isinstance(instantiate(composed("optimizer", option).optimizer), OptimizerFactory)


@pytest.mark.parametrize("option", OPTIONS["budget"])
def test_every_budget_can_be_made_and_buys_more_each_round(option: str, composed: Configure) -> None:
    budget: Budget = instantiate(composed("budget", option).budget)
    sizes = budget.sizes(10_000_000)
    assert (np.diff([0, *sizes]) > 0).all()


@pytest.mark.parametrize("option", OPTIONS["stop"])
def test_every_stopping_rule_can_be_made(option: str, composed: Configure) -> None:
    stop = instantiate(composed("stop", option).stop)
    assert stop.max_epochs == 100


@pytest.mark.parametrize("option", OPTIONS["logger"])
def test_every_logger_can_be_made(option: str, composed: Configure) -> None:
    assert isinstance(instantiate(composed("logger", option).logger), Logger)


CLOSED_FORM = ("ridge",)  # methods that take no steps


@pytest.mark.parametrize("option", OPTIONS["method"])
def test_every_method_can_be_built(option: str, configure: Configure) -> None:
    exp = build(configure(f"method={option}"))
    work = exp.method.planned(next(planned_rounds(exp.sizes)))
    if option in CLOSED_FORM:
        assert work.looks >= 1
        return
    assert work.epochs >= 2
    assert work.steps >= 1


PIXEL_MODELS = ("drn_d_22", "small_fcn", "torchvision_segmentation")  # tests/test_segmentation.py has them on masks
ENCODERS = ("bert_base_uncased", "transformer", "vdcnn9", "hf_vision")  # tests/model has them on texts and in folders


@pytest.mark.parametrize("option", [option for option in OPTIONS["model"] if option not in ENCODERS + PIXEL_MODELS])
def test_every_model_can_be_built_for_digits(option: str, configure: Configure) -> None:
    overrides = [word for word in MISSING.get(option, []) if not word.startswith("model=")]
    net = build(configure(f"model={option}", *overrides)).method.net
    assert net.head.out_features == 10


# --- what wins over what ---


PAIRS = {f"{data}_{method}": (data, method) for data in OPTIONS["dataset"] for method in OPTIONS["method"]}


@pytest.mark.parametrize("name", [name for name in OPTIONS["hparams"] if name in PAIRS])
def test_values_of_a_data_set_and_a_method_are_applied_when_both_are_chosen(name: str, configure: Configure) -> None:
    dataset, method = PAIRS[name]
    cfg = configure(f"dataset={dataset}", f"method={method}", small=False)
    assert contains(OmegaConf.to_container(cfg), values_of(name))


def values_of(name: str) -> dict[str, Any]:
    """What an option of hparams sets, with what it takes from others."""
    values = yaml.safe_load((CONF / "hparams" / f"{name}.yaml").read_text())
    for inherited in values.pop("defaults", []):
        values |= values_of(inherited)
    return values


SETTINGS = {"emam2021_a_i": "finetune", "emam2021_b_i": "finetune", "emam2021_c_i": "finetune"}
SETTINGS |= {"emam2021_c_ii": "linear_probe"}


@pytest.mark.parametrize("name", [name for name in OPTIONS["hparams"] if name not in PAIRS])
def test_values_of_a_setting_are_applied_when_they_are_named(name: str, configure: Configure) -> None:
    """Settings of a paper, and pairs whose data set may not be there yet."""
    method = SETTINGS.get(name) or next(
        each for each in sorted(OPTIONS["method"], key=len)[::-1] if name.endswith(each)
    )
    cfg = configure("dataset=cifar10", f"method={method}", f"hparams={name}", small=False)
    assert contains(OmegaConf.to_container(cfg), values_of(name))
    instantiate(cfg.optimizer)
    holds = [cfg.method, *(cfg.method[part] for part in ("full", "aligned") if part in cfg.method)]
    assert [instantiate(each) for own in holds for each in own.get("phases", [])]


def test_values_of_a_pair_are_not_those_of_another(configure: Configure) -> None:
    sizes = [
        configure(f"dataset={name}", "method=cal_er", small=False).method.visit.replay_size
        for name in ("fmnist", "digits")
    ]
    assert sizes == [128, 40]


def test_replay_follows_the_batch_size_and_candidates_the_replay(configure: Configure) -> None:
    def sizes(*words: str) -> tuple[int, int]:
        visit = configure(*words, small=False).method.visit
        return visit.replay_size, visit.get("num_candidates")

    assert sizes("dataset=npz", "dataset.path=x", "method=cal_mir") == (128, 256)
    assert sizes("dataset=npz", "dataset.path=x", "method=cal_sds2", "trainer.batch_size=7") == (14, 28)
    assert sizes("method=cal_sds2", "method.visit.replay_size=30") == (30, 60)
    assert sizes("method=cal_der", "trainer.batch_size=7") == (14, None)
    assert sizes("dataset=cifar10", "method=cal_mir", "trainer.batch_size=64") == (40, 100)  # the paper's


@pytest.mark.parametrize("size", ["many", "null", "true", "0"])
def test_a_batch_size_that_is_no_number_is_refused_where_it_stands(
    size: str, refusal: Callable[..., str], small: tuple[str, ...]
) -> None:
    line = refusal("run", *small, "method=cal_sds2", f"trainer.batch_size={size}")
    assert "trainer.batch_size wants a whole number of at least 1" in line


def test_the_sizes_of_a_run_stand_in_its_config(play: Callable[..., Any], run_folder: Callable[[], Path]) -> None:
    assert play("method=cal_mir", "trainer.batch_size=8", "budget.rounds=1").code == 0
    visit = yaml.safe_load((run_folder() / "config.yaml").read_text())["method"]["visit"]
    assert (visit["replay_size"], visit["num_candidates"]) == (16, 32)


def contains(whole: Any, part: Any) -> bool:
    """Whether every leaf of `part` stands in `whole`."""
    if isinstance(part, dict):
        return all(key in whole and contains(whole[key], item) for key, item in part.items())
    return bool(whole == part)


def test_the_command_line_wins_over_recipes_and_pairs(configure: Configure) -> None:
    cfg = configure(
        "dataset=fmnist", "method=cal_der", "method.visit.replay_size=7", "optimizer=adam", "trainer.batch_size=9",
        "model=cnn", "budget=counts", "budget.start=5", "budget.rounds=2", small=False,
    )  # fmt: skip
    assert cfg.method.visit.replay_size == 7
    assert cfg.optimizer.optimizer._target_ == "torch.optim.Adam"
    assert (cfg.trainer.batch_size, cfg.model.width, cfg.budget.start) == (9, 16, 5)
    assert cfg.method.objective.alpha == 0.1  # the rest of the pair stays


@pytest.mark.parametrize("dataset", OPTIONS["dataset"])
def test_a_data_set_brings_its_recipe_wherever_it_stands(
    dataset: str, configure: Configure, composed: Configure
) -> None:
    first = composed("dataset", dataset)
    last = configure("method=al", f"dataset={dataset}", *MISSING.get(dataset, []), small=False)
    assert first == last


def test_values_of_the_pair_are_applied_in_a_multirun_over_methods(
    calrun: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A data set of the user's own with values for one method: a search path of his own and a multirun over both."""
    own = tmp_path / "conf"
    (own / "hparams").mkdir(parents=True)
    (own / "hparams" / "digits_cal_er.yaml").write_text(
        "# @package _global_\nmethod:\n  visit:\n    replay_size: 13\ntrainer:\n  batch_size: 11\n"
    )
    words = ("trainer.max_epochs=1", "trainer.cal_epochs=1", "budget.rounds=1", "model=mlp", "trainer.num_threads=1")
    answer = calrun("run", "-m", "--config-dir", str(own), "method=cal_er,cal_der", *words)
    assert answer.code == 0, answer
    configs = [yaml.safe_load(path.read_text()) for path in tmp_path.rglob("config.yaml")]
    found = {c["choices"]["method"]: (c["method"]["visit"]["replay_size"], c["trainer"]["batch_size"]) for c in configs}
    assert found == {"cal_er": (13, 11), "cal_der": (40, 20)}
    (noted,) = tmp_path.rglob("sweep.json")
    assert set(json.loads(noted.read_text())["runs"]) == {path.parent.name for path in tmp_path.rglob("rounds.jsonl")}
