"""The official folders with a few small pictures.

Dimension key: H W height and width.
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calrun.dataset.base import Dataset
from calrun.dataset.cityscapes import CLASSES, label_ids, load
from calrun.dataset.source.paired import Paired
from calrun.dataset.source.transform import Transform

TRAIN_IDS = {  # of cityscapesScripts, labels.py, by label number; all others are 255
    7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13, 27: 14, 28: 15,
    31: 16, 32: 17, 33: 18,
}  # fmt: skip


@pytest.fixture
def cityscapes(tmp_path: Path, empty_cache: Path) -> Path:
    """Two cities with training pictures and one with those of the validation set; every label number occurs."""
    for split, city, count in (("train", "aachen", 2), ("train", "ulm", 1), ("val", "lindau", 2)):
        pictures, masks = tmp_path / "leftImg8bit" / split / city, tmp_path / "gtFine" / split / city
        pictures.mkdir(parents=True)
        masks.mkdir(parents=True)
        for number in range(count):
            name, numbers = f"{city}_00000{number}_000019", np.arange(40, dtype=np.uint8).reshape(4, 10) % 34
            Image.fromarray(np.full((4, 10, 3), 100, dtype=np.uint8)).save(pictures / f"{name}_leftImg8bit.png")
            Image.fromarray(numbers).save(masks / f"{name}_gtFine_labelIds.png")
            Image.fromarray(numbers).save(masks / f"{name}_gtFine_instanceIds.png")
    return tmp_path


def opened(root: Path) -> Dataset:
    return load(str(root), Paired((4, 10), None, (1.0, 1.0), False), Transform([0.0] * 3, [1.0] * 3), 0)


def test_train_is_the_pool_and_the_validation_set_is_the_test_set(cityscapes: Path) -> None:
    data = opened(cityscapes)
    assert (len(data.train), len(data.tests["test"]), data.num_classes) == (3, 2, 19)
    assert data.class_names == list(CLASSES)
    assert data.train.item_id(2) == "leftImg8bit/train/ulm/ulm_000000_000019_leftImg8bit.png"


def test_label_numbers_become_the_19_classes_and_all_others_are_nobodys(cityscapes: Path) -> None:
    expected = [TRAIN_IDS.get(number % 34, -1) for number in range(40)]
    assert opened(cityscapes).train.targets[0].flatten().tolist() == expected
    table = label_ids().table
    assert {number: int(table[number]) for number in range(34) if table[number] != 255} == TRAIN_IDS
    assert (int(table[255]), int(table[34])) == (255, 254)  # nobody's, and a number that means nothing


def test_a_missing_mask_is_named(cityscapes: Path) -> None:
    next(cityscapes.glob("gtFine/val/lindau/*0_000019_gtFine_labelIds.png")).unlink()
    with pytest.raises(ValueError, match=r"1 of 2 masks are missing .*lindau_000000_000019_gtFine_labelIds\.png"):
        opened(cityscapes)


def test_missing_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no folder .*/leftImg8bit/train; unpack leftImg8bit_trainvaltest\.zip"):
        opened(tmp_path)
    (tmp_path / "leftImg8bit" / "train").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"has no pictures \*_leftImg8bit\.png"):
        opened(tmp_path)
