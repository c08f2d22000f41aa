"""ImageNet in the layouts in which it is published, made small; which files are listed again, and which are not."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from calrun.dataset.base import Dataset
from calrun.dataset.imagenet import load
from calrun.dataset.read import folder_index
from calrun.dataset.source.picture import Picture
from calrun.dataset.source.transform import Transform

WNIDS = ("n01440764", "n02123045", "n07753592")
OF_KIT = {2: WNIDS[0], 3: WNIDS[1], 1: WNIDS[2]}  # the kit's numbers are in another order than the wnids
VAL = (2, 0, 1, 1)  # classes of the four validation pictures


def write(path: Path, c: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 16), (60 * c + 20,) * 3).save(path, format="JPEG")


@pytest.fixture
def root(tmp_path: Path, empty_cache: Path) -> Path:
    """Five training pictures of each of three classes, four flat validation pictures and the development kit."""
    for c, wnid in enumerate(WNIDS):
        for number in range(5):
            write(tmp_path / "train" / wnid / f"{wnid}_{number}.JPEG", c)
    for number, c in enumerate(VAL, start=1):
        write(tmp_path / "val" / f"ILSVRC2012_val_{number:08d}.JPEG", c)
    write_kit(tmp_path / "ILSVRC2012_devkit_t12" / "data")
    settle(tmp_path)
    return tmp_path


def write_kit(folder: Path) -> None:
    folder.mkdir(parents=True)
    number_of = {wnid: number for number, wnid in OF_KIT.items()}
    answers = "".join(f"{number_of[WNIDS[c]]}\n" for c in VAL)
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text(answers)
    kinds = [("ILSVRC2012_ID", "f8"), ("WNID", "O"), ("num_children", "f8")]
    synsets = [(number, wnid, 0) for number, wnid in OF_KIT.items()] + [(4, "n00000004", 3)]
    savemat(folder / "meta.mat", {"synsets": np.array(synsets, dtype=kinds)[:, None]})


def settle(folder: Path) -> None:
    """Makes folders older than the tick within which another change would not be seen."""
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            os.utime(path, (time.time() - 60,) * 2)


def opened(root: Path, ground_truth: Path | None = None) -> Dataset:
    told = str(ground_truth) if ground_truth else None
    return load(str(root), told, Picture(8, 8, 1.0, False), Transform([0.0] * 3, [1.0] * 3), 0, "off")


def test_the_kits_numbers_are_translated_into_classes(root: Path) -> None:
    dataset = opened(root)
    assert dataset.class_names == [*WNIDS]
    assert (len(dataset.train), len(dataset.tests["test"])) == (15, 4)
    assert dataset.train.item_id(5) == f"train/{WNIDS[1]}/{WNIDS[1]}_0.JPEG"
    for source in (dataset.train, dataset.tests["test"]):
        ((_, x),) = source.batches(np.arange(len(source)), 20)
        np.testing.assert_allclose(x[:, 0, 0, 0] * 255, 60 * source.targets + 20, atol=2)


def test_validation_pictures_in_class_folders_and_lists_of_names_say_the_same(root: Path) -> None:
    flat = opened(root).tests["test"].targets.tolist()
    named = "".join(f"ILSVRC2012_val_{number:08d},{WNIDS[c]} 1 2 3 4\n" for number, c in enumerate(VAL, start=1))
    (root / "val.csv").write_text(f"ImageId,PredictionString\n{named}")  # Kaggle's, with boxes
    assert opened(root, root / "val.csv").tests["test"].targets.tolist() == flat
    (root / "val.txt").write_text(named.replace(",", ".JPEG "))
    assert opened(root, root / "val.txt").tests["test"].targets.tolist() == flat
    for number, c in enumerate(VAL, start=1):
        name = f"ILSVRC2012_val_{number:08d}.JPEG"
        (root / "val" / WNIDS[c]).mkdir(exist_ok=True)
        (root / "val" / name).rename(root / "val" / WNIDS[c] / name)
    test = opened(root).tests["test"]
    assert [test.item_id(row).split("/")[1] for row in range(4)] == [WNIDS[c] for c in test.targets]
    assert sorted(test.targets) == sorted(VAL)


def test_folders_are_listed_once_until_they_change(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    listed = folder_index.listed
    monkeypatch.setattr(folder_index, "listed", lambda folder: (seen.append(folder.name), listed(folder))[1])
    first = opened(root)
    assert sorted(seen) == sorted([*WNIDS, "val"])
    seen.clear()
    again = opened(root)
    assert seen == []
    assert again.train.checksum(0) == first.train.checksum(0)
    write(root / "train" / WNIDS[1] / "new.JPEG", 1)
    assert len(opened(root).train) == 16
    assert seen == [WNIDS[1]]
    opened(root)
    assert seen == [WNIDS[1]] * 2  # it has changed a moment ago and may change again


def test_a_damaged_index_or_one_that_cannot_be_written_is_made_anew(root: Path, empty_cache: Path) -> None:
    opened(root)
    (index, _) = sorted(empty_cache.glob("index-*.json"))
    for content in ("", "[1]", '{"n01440764": 3}'):
        index.write_text(content)
        assert len(opened(root).train) == 15
    shutil.rmtree(empty_cache)
    empty_cache.write_text("no folder")
    assert len(opened(root).train) == 15


def remove(root: Path, name: str) -> None:
    path = root / name
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


KIT = "ILSVRC2012_devkit_t12"


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("train", r"no folder .*train; unpack ILSVRC 2012"),
        ("val", r"no folder .*val; the 50,000 pictures"),
        (KIT, r"has no class folders, and there is no .*ground_truth.txt or .*csv, .*set dataset.ground_truth_file"),
        (f"{KIT}/data/meta.mat", r"meta.mat, which says what the numbers of the validation set mean, cannot be read"),
        ("val/ILSVRC2012_val_00000002.JPEG", "has the classes of 4 pictures, but 3 are in val/"),
        (f"train/{WNIDS[1]}", rf"1 classes of .*val have no folder in train \(first: \['{WNIDS[1]}'\]\)"),
    ],
)
def test_what_is_missing_is_said(lost: str, message: str, root: Path) -> None:
    remove(root, lost)
    with pytest.raises(ValueError, match=message):
        opened(root)


def test_lists_that_do_not_fit_are_said(root: Path) -> None:
    (root / "val.txt").write_text(f"ILSVRC2012_val_00000001.JPEG {WNIDS[0]}\n")
    with pytest.raises(ValueError, match=r"says no class of 3 of 4 pictures \(first: \['ILSVRC2012_val_00000002.JPEG'"):
        opened(root, root / "val.txt")
    (root / "val.txt").write_text("9\n9\n9\n1\n")
    write_kit(root / "kit" / "data")
    shutil.copy(root / "kit" / "data" / "meta.mat", root)
    with pytest.raises(ValueError, match=r"names 1 classes that meta.mat has not \(first: \[9\]\)"):
        opened(root, root / "val.txt")
    (root / "val" / WNIDS[0]).mkdir()
    with pytest.raises(ValueError, match="2 missing"):
        opened(root)


def test_a_class_without_pictures_is_refused(root: Path) -> None:
    for file in (root / "train" / WNIDS[2]).iterdir():
        file.unlink()
    with pytest.raises(ValueError, match="declares 3 classes, but 1 of them have no training row"):
        opened(root)


def test_a_run_as_its_user_types_it(root: Path, calrun: Callable[..., Any], tmp_path: Path) -> None:
    words = (
        "run", "dataset=imagenet", f"dataset.root={root}", "dataset.num_workers=0", "dataset.picture.size=8",
        "dataset.picture.resize=8", "model=cnn", "model.width=2", "trainer=cpu", "trainer.max_epochs=1",
        "budget=counts", "budget.start=6", "budget.step=3", "budget.rounds=2", "record.metrics=[top5]",
    )  # fmt: skip
    assert calrun(*words).code == 0
    assert "  finished  " in calrun(*words).out
    assert not [*(tmp_path / "outputs").rglob("train_items.txt")]  # it may label all of train/
    write(root / "train" / WNIDS[0] / "later.JPEG", 0)
    more = calrun(*words, "budget.rounds=3")
    assert more.code == 2
    assert "data" in more.err
