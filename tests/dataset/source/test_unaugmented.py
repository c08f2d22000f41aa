"""`dataset.augment=false`, as a word of the command line and as a sweep."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig, OmegaConf, open_dict

from calrun.dataset.base import Source, StepRows
from calrun.dataset.source.unaugmented import without_augmentation
from calrun.experiment import load_data
from calrun.folder.identity import run_id

Configure = Callable[..., DictConfig]


def first_x(train: Source, seed: int) -> torch.Tensor:
    """The first five rows, as a step of training sees them."""
    block = next(train.blocks([StepRows(np.arange(5), np.empty(0, np.int64))], seed))
    return next(iter(block))[0].x


@pytest.mark.parametrize(("word", "same"), [((), False), (("dataset.augment=false",), True)])
def test_training_sees_what_the_evaluation_sees(word: tuple[str, ...], same: bool, configure: Configure) -> None:
    train = load_data(configure(*word).dataset, 0).train
    evaluated = next(iter(train.batches(np.arange(5), 5)))[1]
    assert [torch.equal(first_x(train, seed), evaluated) for seed in (0, 1)] == [same, same]


@pytest.mark.parametrize("word", ["true", "false"])
def test_pictures_in_files_lose_their_random_crop_and_flip(word: str, configure: Configure, pictures: Path) -> None:
    words = (f"dataset.root={pictures}", "dataset.picture.size=8", "dataset.picture.resize=8", "dataset.num_workers=0")
    cfg = configure("dataset=image_folder", *words, f"dataset.augment={word}", small=False)
    train = load_data(cfg.dataset, 0).train
    evaluated = next(iter(train.batches(np.arange(5), 5)))[1]
    assert torch.equal(first_x(train, 0), evaluated) is (word == "false")


def test_a_run_that_augments_is_the_one_from_before_there_was_the_key(configure: Configure) -> None:
    with_key, off = configure("dataset.augment=true"), configure("dataset.augment=false")
    before = configure()
    with open_dict(before.dataset):
        del before.dataset["augment"]
    assert run_id(before) == run_id(with_key) != run_id(off)


def test_what_it_does_not_know_is_refused(configure: Configure) -> None:
    own = OmegaConf.create({"transform": {"_target_": "mine.Jitter"}})
    with pytest.raises(ValueError, match=r"has mine\.Jitter, which it does not know; leave dataset\.augment out"):
        without_augmentation(own)
    with pytest.raises(ValueError, match="has neither of both"):
        without_augmentation(OmegaConf.create({}))


def test_it_sweeps_in_one_word_and_another_kind_is_refused(
    calrun: Any, refusal: Any, small: Any, tmp_path: Path
) -> None:
    assert calrun("run", "-m", *small, "budget.rounds=1", "dataset.augment=true,false").code == 0
    assert len([*(tmp_path / "outputs").rglob("rounds.jsonl")]) == 2
    assert "dataset.augment wants true or false or null, got 'off'" in refusal("run", *small, "dataset.augment='off'")
