from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from calrun.dataset.base import Dataset
from calrun.dataset.imagenet100 import Choice, load
from calrun.dataset.source.picture import Picture
from calrun.dataset.source.transform import Transform
from calrun.places import CONF

WNIDS = ("n01440764", "n02123045", "n07753592")


@pytest.fixture
def root(tmp_path: Path, empty_cache: Path) -> Path:
    """Nine pictures of each of three classes."""
    for c, wnid in enumerate(WNIDS):
        (tmp_path / "train" / wnid).mkdir(parents=True)
        for number in range(9):
            picture = Image.new("RGB", (20, 16), (60 * c + 20,) * 3)
            picture.save(tmp_path / "train" / wnid / f"{wnid}_{number}.JPEG", format="JPEG")
    return tmp_path


def opened(root: Path, classes: tuple[str, ...] = WNIDS, train: int = 5, test: int = 2, seed: int = 0) -> Dataset:
    transform = Transform([0.0] * 3, [1.0] * 3)
    return load(str(root), Choice(classes, train, test, seed), Picture(8, 8, 1.0, False), transform, 0, "off")


def items(dataset: Dataset, split: str = "train") -> list[str]:
    source = dataset.train if split == "train" else dataset.tests[split]
    return [source.item_id(row) for row in range(len(source))]


def test_as_many_pictures_of_each_class_as_asked_for_and_none_twice(root: Path) -> None:
    dataset = opened(root)
    assert dataset.class_names == [*WNIDS]
    assert np.bincount(dataset.train.targets).tolist() == [5, 5, 5]
    assert np.bincount(dataset.tests["test"].targets).tolist() == [2, 2, 2]
    both = items(dataset) + items(dataset, "test")
    assert len({*both}) == 21
    ((_, x),) = dataset.train.batches(np.arange(15), 20)
    np.testing.assert_allclose(x[:, 0, 0, 0] * 255, 60 * dataset.train.targets + 20, atol=2)


def test_labels_follow_the_list_of_classes_and_no_class_changes_another(root: Path) -> None:
    two = opened(root, classes=(WNIDS[2], WNIDS[0]))
    assert two.class_names == [WNIDS[2], WNIDS[0]]
    assert items(two) == items(opened(root))[10:] + items(opened(root))[:5]


def test_the_seed_alone_draws_the_pictures(root: Path) -> None:
    first, again, other = (items(opened(root, seed=seed)) for seed in (0, 0, 1))
    assert first == again != other


def test_what_is_impossible_is_said(root: Path) -> None:
    with pytest.raises(ValueError, match=r"train/n01440764 has 9 pictures, but 8 for training and 2 for the test are"):
        opened(root, train=8)
    with pytest.raises(ValueError, match=r"lacks 1 of the 2 classes of dataset.choice.classes \(first: \['n99'\]\)"):
        opened(root, classes=("n99", WNIDS[0]))
    with pytest.raises(ValueError, match="wants two classes or more"):
        Choice([WNIDS[0]], 1, 1, 0)
    with pytest.raises(ValueError, match="stand for several classes"):
        Choice([WNIDS[0]] * 2, 1, 1, 0)


def test_the_recipes_classes_are_a_hundred_of_the_thousand() -> None:
    """They are what its comment says, by timm's list of ImageNet's wnids."""
    import timm

    from calrun.rng import numpy_rng

    wnids = (Path(timm.__file__).parent / "data" / "_info" / "imagenet_synsets.txt").read_text().split()
    chosen = numpy_rng(0, 0, "imagenet100").choice(1000, 100, replace=False)
    recipe = OmegaConf.load(CONF / "dataset" / "imagenet100.yaml")
    assert [*recipe.dataset.choice.classes] == [sorted(wnids)[row] for row in sorted(chosen)]


def test_a_run_writes_down_what_it_may_label(root: Path, calrun: Callable[..., Any], tmp_path: Path) -> None:
    answer = calrun(
        "run", "dataset=imagenet100", f"dataset.root={root}", "dataset.num_workers=0", "dataset.picture.size=8",
        "dataset.picture.resize=8", f"dataset.choice.classes=[{','.join(WNIDS)}]", "dataset.choice.train_per_class=5",
        "dataset.choice.test_per_class=2", "model=cnn", "model.width=2", "trainer=cpu", "trainer.max_epochs=1",
        "budget=counts", "budget.start=6", "budget.step=3", "budget.rounds=2",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    (written,) = (tmp_path / "outputs").rglob("train_items.txt")
    assert written.read_text().split() == items(opened(root))
