from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from calrun.dataset.base import Dataset
from calrun.dataset.caltech101 import Division, load
from calrun.dataset.source.picture import Picture
from calrun.dataset.source.transform import Transform

SIZES = {"BACKGROUND_Google": 9, "Faces": 20, "accordion": 10, "yin_yang": 4}


@pytest.fixture
def folder(tmp_path: Path, empty_cache: Path) -> Path:
    for grey, (name, size) in enumerate(SIZES.items()):
        (tmp_path / "categories" / name).mkdir(parents=True)
        for number in range(1, size + 1):
            picture = Image.new("L", (20, 16), 60 * grey + 20)
            picture.save(tmp_path / "categories" / name / f"image_{number:04d}.jpg")
    return tmp_path / "categories"


def opened(folder: Path, background: bool = False, test_fraction: float = 0.2, seed: int = 0) -> Dataset:
    transform = Transform([0.0] * 3, [1.0] * 3)
    return load(str(folder), Division(background, test_fraction, seed), Picture(8, 8, 1.0, False), transform, 0, "all")


def items(dataset: Dataset) -> dict[str, list[str]]:
    sources = {"train": dataset.train, **dataset.tests}
    return {name: [own.item_id(row) for row in range(len(own))] for name, own in sources.items()}


def test_each_class_is_divided_and_no_picture_is_lost(folder: Path) -> None:
    dataset = opened(folder)
    assert dataset.class_names == ["Faces", "accordion", "yin_yang"]
    assert np.bincount(dataset.train.targets).tolist() == [16, 8, 3]
    assert np.bincount(dataset.tests["test"].targets).tolist() == [4, 2, 1]
    both = items(dataset)
    assert len({*both["train"], *both["test"]}) == 34
    classes = [name.partition("/")[0] for name in both["train"]]
    assert classes == [dataset.class_names[c] for c in dataset.train.targets]


def test_the_background_is_a_class_if_asked_for_and_changes_no_other(folder: Path) -> None:
    without, whole = opened(folder), opened(folder, background=True)
    assert whole.class_names[0] == "BACKGROUND_Google"
    for split, own in items(without).items():
        assert [name for name in items(whole)[split] if not name.startswith("BACK")] == own


def test_the_seed_alone_draws_the_test_pictures(folder: Path) -> None:
    first, again, other = (items(opened(folder, seed=seed))["test"] for seed in (0, 0, 1))
    assert first == again != other


def test_an_absent_or_empty_folder_and_wrong_shares_are_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no folder .*nowhere; unpack 101_ObjectCategories"):
        opened(tmp_path / "nowhere")
    for file in (folder / "Faces").iterdir():
        file.unlink()
    with pytest.raises(ValueError, match=r"class folder .*Faces has no pictures"):
        opened(folder)
    with pytest.raises(ValueError, match=r"test_fraction is a share of each class in \(0, 1\), came 1.0"):
        Division(False, 1.0, 0)


def test_a_class_of_one_picture_has_none_to_train_on(folder: Path) -> None:
    for number in (2, 3, 4):
        (folder / "yin_yang" / f"image_{number:04d}.jpg").unlink()
    with pytest.raises(ValueError, match="declares 3 classes, but 1 of them have no training row"):
        opened(folder)


def test_a_run_writes_down_what_it_may_label(folder: Path, calrun: Callable[..., Any], tmp_path: Path) -> None:
    answer = calrun(
        "run", "dataset=caltech101", f"dataset.root={folder}", "dataset.num_workers=0", "dataset.picture.size=8",
        "dataset.picture.resize=8", "model=cnn", "model.width=2", "trainer=cpu", "trainer.max_epochs=1",
        "budget.start=0.3", "budget.step=0.2", "budget.rounds=2",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    (written,) = (tmp_path / "outputs").rglob("train_items.txt")
    assert written.read_text().split() == items(opened(folder, test_fraction=0.12))["train"]
