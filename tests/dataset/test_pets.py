from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from calrun.dataset.base import Dataset
from calrun.dataset.pets import load
from calrun.dataset.source.picture import Picture
from calrun.dataset.source.transform import Transform

BREEDS = ("Abyssinian", "american_bulldog", "Bengal")  # two words, and no order of the alphabet's


@pytest.fixture
def folder(tmp_path: Path, empty_cache: Path) -> Path:
    """Twelve pictures of each breed for training and four for the test; breed b has grey 60 b."""
    for part in ("images", "annotations"):
        (tmp_path / part).mkdir()
    for split, numbers in (("trainval", range(1, 13)), ("test", range(13, 17))):
        lines = ["# a comment as in list.txt"]
        for c, breed in enumerate(BREEDS):
            for number in numbers:
                Image.new("RGB", (20, 16), (60 * c + 20,) * 3).save(tmp_path / "images" / f"{breed}_{number}.jpg")
                lines.append(f"{breed}_{number} {c + 1} 1 1")
        (tmp_path / "annotations" / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def opened(folder: Path) -> Dataset:
    return load(str(folder), Picture(8, 8, 1.0, False), Transform([0.0] * 3, [1.0] * 3), 0, "all")


def test_the_published_lists_divide_the_pictures(folder: Path) -> None:
    dataset = opened(folder)
    assert dataset.class_names == [*BREEDS]
    assert (len(dataset.train), len(dataset.tests["test"])) == (36, 12)
    assert dataset.train.item_id(12) == "images/american_bulldog_1.jpg"
    ((_, x),) = dataset.train.batches(np.arange(36), 36)
    np.testing.assert_allclose(x[:, 0, 0, 0] * 255, 60 * dataset.train.targets + 20, atol=2)


def test_a_list_that_is_absent_says_what_goes_where(folder: Path) -> None:
    (folder / "annotations" / "test.txt").unlink()
    with pytest.raises(ValueError, match=rf"put images/ and annotations/ of .* into {folder}; annotations/test.txt is"):
        opened(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Bengal_1 one 1 1\n", r"but has 1 other lines \(first: \['Bengal_1 one 1 1'\]\)"),
        ("\n", "but has none"),
        ("Bengal_1 1 1 1\n", r"class 1 is \['Abyssinian', 'Bengal'\]"),
        ("Bengal_1 5 1 1\n", r"they are \[1, 2, 3, 5\]"),
        ("Bengal_99 3 1 1\n", r"1 of 37 pictures below .* cannot be used \(first: images/Bengal_99.jpg"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str, folder: Path) -> None:
    (folder / "annotations" / "test.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        opened(folder)


def test_damaged_pictures_are_refused_together(folder: Path) -> None:
    for number in (1, 2):
        (folder / "images" / f"Bengal_{number}.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"2 of 48 pictures below .*; fetch them again"):
        opened(folder)


def test_a_run_as_its_user_types_it(folder: Path, calrun: Callable[..., Any]) -> None:
    answer = calrun(
        "run", "dataset=pets", f"dataset.root={folder}", "dataset.num_workers=0", "dataset.picture.size=8",
        "dataset.picture.resize=8", "model=cnn", "model.width=2", "trainer=cpu", "trainer.max_epochs=1",
        "budget.start=12", "budget.step=6", "budget.rounds=2",
    )  # fmt: skip
    assert answer.code == 0, answer.err
