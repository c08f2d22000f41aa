"""Archives in MedMNIST's layout; those of other kinds are refused by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calrun.dataset.medmnist import load
from calrun.dataset.source.transform import Transform


def saved(path: Path, shape: tuple[int, ...] = (5, 5), labels: int = 1, classes: int = 3) -> str:
    arrays = {}
    for split, rows in (("train", 90), ("val", 12), ("test", 30)):
        y = np.arange(rows, dtype=np.uint8) % classes
        pictures = np.zeros((rows, *shape), np.uint8) + (80 * y).reshape(-1, *[1] * len(shape)).astype(np.uint8)
        arrays |= {f"{split}_images": pictures, f"{split}_labels": np.repeat(y[:, None], labels, axis=1)}
    np.savez(path, **arrays)
    return str(path)


def test_grey_pictures_and_numbered_classes(tmp_path: Path) -> None:
    dataset = load(saved(tmp_path / "x.npz"), "octmnist", Transform([0.0], [1.0]), None)
    assert dataset.class_names == ["0", "1", "2"]
    assert dataset.input_shape == (1, 5, 5)
    assert (len(dataset.train), len(dataset.tests["test"])) == (90, 30)


@pytest.mark.parametrize(
    ("flag", "shape", "labels", "message"),
    [
        ("chestmnist", (5, 5), 1, "dataset.flag=chestmnist has several labels a picture"),
        ("chestmnist_64", (5, 5), 1, "dataset.flag=chestmnist_64 has several labels a picture"),
        ("organmnist3d", (5, 5), 1, "dataset.flag=organmnist3d is three-dimensional"),
        ("mine", (5, 5, 5), 1, r"train_images has shape \(90, 5, 5, 5\); wanted are flat pictures"),
        ("mine", (5, 5, 5, 3), 1, "not three-dimensional ones"),
        ("mine", (5, 5), 14, "train_labels has 14 labels a picture"),
    ],
)
def test_other_kinds_are_refused_by_name(
    flag: str, shape: tuple[int, ...], labels: int, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        load(saved(tmp_path / "x.npz", shape, labels), flag, Transform([0.0], [1.0]), None)


def test_a_flag_names_its_file(calrun: Callable[..., Any], tmp_path: Path) -> None:
    saved(tmp_path / "bloodmnist.npz", (8, 8, 3))
    words = ("run", "dataset=medmnist", f"paths.data={tmp_path}", "model=mlp", "trainer=cpu", "trainer.max_epochs=2")
    answer = calrun(*words, "dataset.flag=bloodmnist", "budget=counts", "budget.start=20", "budget.rounds=1")
    assert answer.code == 0, answer.err
    line = next((tmp_path / "outputs").rglob("rounds.jsonl")).read_text()
    assert '"auc": ' in line
    assert '"recall/2": ' in line
    answer = calrun(*words, "dataset.flag=breastmnist")
    assert answer.code == 2
    assert "put MedMNIST's breastmnist.npz there" in answer.err
    assert calrun(*words).code == 2
