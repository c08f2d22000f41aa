"""A method or an initial choice that is made for a pre-trained backbone says so where there is none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calrun.experiment import build
from calrun.model.cnn import cnn

MADE_FOR = ("linear_probe", "lp_ft", "finetune", "svpp", "asvp", "lora")
OTHERS = ("al", "finetune_new", "al_ws", "cal_er", "svp", "shrink_perturb")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.save(cnn(10, (1, 8, 8), 16, 0.0).backbone.state_dict(), tmp_path / "weights.pt")
    return tmp_path / "weights.pt"


@pytest.mark.parametrize("method", [*MADE_FOR, *OTHERS])
def test_methods_for_a_backbone_say_that_it_is_random(method: str, configure: Callable[..., Any]) -> None:
    pytest.importorskip("peft") if method == "lora" else None
    cautions = build(configure("model=cnn", f"method={method}")).cautions
    assert len(cautions) == (method in MADE_FOR)
    assert all("begins from random weights; give it weights (method." in caution for caution in cautions)


@pytest.mark.parametrize(("method", "where"), [("finetune", "method"), ("svpp", "method.full")])
def test_the_option_that_it_names_ends_it(
    method: str, where: str, configure: Callable[..., Any], weights: Path
) -> None:
    words = ("model=cnn", f"method={method}")
    assert f"{where}.start.path=FILE" in build(configure(*words)).cautions[0]
    assert not build(configure(*words, f"{where}.start.path={weights}")).cautions


def test_weights_that_the_model_brings_are_weights(configure: Callable[..., Any], tiny_vit: Path) -> None:
    words = ("model=hf_vision", f"model.path={tiny_vit}", "method=linear_probe")
    assert not build(configure(*words)).cautions
    assert build(configure(*words, "model.pretrained=false")).cautions


def test_a_model_without_a_backbone_lacks_none(configure: Callable[..., Any]) -> None:
    assert not build(configure("model=linear", "method=linear_probe")).cautions


def test_an_initial_choice_by_features_says_it_of_any_method(configure: Callable[..., Any]) -> None:
    (caution,) = build(configure("initial=activeft")).cautions
    assert caution.startswith("initial=ActiveFT chooses by a network of random weights; ")
    assert not build(configure("acquisition=activeft")).cautions


def test_features_of_a_store_have_weights_behind_them(
    configure: Callable[..., Any], weights: Path, tmp_path: Path
) -> None:
    words = (
        "method=linear_probe",
        "feature_store=memmap",
        f"paths.features={tmp_path}",
        f"method.start.path={weights}",
    )
    assert not build(configure("model=cnn", "dataset.transform.crop_padding=0", *words)).cautions


def test_a_run_says_it_in_one_line_at_its_start_and_so_does_its_plan(
    play: Callable[..., Any], calrun: Callable[..., Any], small: tuple[str, ...]
) -> None:
    said = "the method is made for a pre-trained backbone, but begins from random weights"
    answer = play("method=svpp", "budget.rounds=1", "acquisition=random")
    assert answer.code == 0
    (line,) = [line for line in answer.err.splitlines() if said in line]
    assert line.startswith("calrun: ")
    assert said in calrun("plan", *small, "method=svpp", "budget.rounds=2", "acquisition=random").out


def test_top5_of_few_classes_is_said_to_say_nothing(configure: Callable[..., Any], tmp_path: Path) -> None:
    x, y = torch.rand(30, 4).numpy(), (torch.arange(30) % 3).numpy()
    np.savez(tmp_path / "few.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    words = ("dataset=npz", f"dataset.path={tmp_path / 'few.npz'}", "model=mlp", "record.metrics=[top5]")
    more = ("trainer=cpu", "budget=counts", "budget.start=5", "budget.step=5", "budget.rounds=2")
    (caution,) = build(configure(*words, *more, small=False)).cautions
    assert caution == "record.metrics=[top5] is always 1 where a data set has 3 classes; leave it out"
