from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import savemat

from calrun.dataset.source.transform import Transform
from calrun.dataset.svhn import load


def write(folder: Path, split: str, num_rows: int) -> np.ndarray:
    """Writes a file with digits 1, 2, ..., 10, 1, ... in MATLAB's order; returns the pictures (N, 32, 32, 3)."""
    pictures = np.random.default_rng(num_rows).integers(256, size=(num_rows, 32, 32, 3), dtype=np.uint8)
    labels = (np.arange(num_rows) % 10 + 1).astype(np.uint8)[:, None]
    savemat(folder / f"{split}_32x32.mat", {"X": pictures.transpose(1, 2, 3, 0), "y": labels})
    return pictures


def opened(folder: Path, extra: bool = False) -> Any:
    return load(str(folder), Transform([0.0], [1.0]), extra, download=False)


def test_ten_is_the_digit_0_and_pictures_stand_upright(tmp_path: Path) -> None:
    train, _ = write(tmp_path, "train", 20), write(tmp_path, "test", 10)
    dataset = opened(tmp_path)
    ((_, x),) = dataset.train.batches(np.arange(20), 20)
    torch.testing.assert_close(x, torch.from_numpy(train.transpose(0, 3, 1, 2) / 255).float())
    assert dataset.train.targets.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0] * 2
    assert dataset.tests["test"].targets.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert dataset.class_names == [*"0123456789"]


def test_extra_pictures_follow_those_of_train(tmp_path: Path) -> None:
    for split, count in (("train", 20), ("test", 10), ("extra", 13)):
        write(tmp_path, split, count)
    assert [len(opened(tmp_path, extra).train) for extra in (False, True)] == [20, 33]


def test_an_absent_file_is_asked_for_by_name(tmp_path: Path) -> None:
    write(tmp_path, "train", 20)
    with pytest.raises(ValueError, match=rf"put test_32x32.mat of SVHN .*http.* into {tmp_path}; it is absent"):
        opened(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no matlab file", b"\0" * 400])
def test_what_is_no_matlab_file_is_said(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "train_32x32.mat").write_bytes(content)
    with pytest.raises(ValueError, match=r"train_32x32.mat is no file of SVHN's cropped digits \(.+\); wanted are X"):
        opened(tmp_path)


def test_a_cut_file_and_other_arrays_are_said(tmp_path: Path) -> None:
    write(tmp_path, "train", 20)
    whole = (tmp_path / "train_32x32.mat").read_bytes()
    (tmp_path / "train_32x32.mat").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is no file of SVHN"):
        opened(tmp_path)
    savemat(tmp_path / "train_32x32.mat", {"X": np.zeros((32, 32, 3, 4)), "y": np.zeros((4, 1))})
    with pytest.raises(ValueError, match="X is float64 of shape"):
        opened(tmp_path)


def test_a_run_as_its_user_types_it(calrun: Callable[..., Any], tmp_path: Path) -> None:
    for split, count in (("train", 60), ("test", 20)):
        write(tmp_path, split, count)
    answer = calrun(
        "run", "dataset=svhn", f"dataset.root={tmp_path}", "model=mlp", "trainer=cpu", "trainer.max_epochs=1",
        "budget.start=20", "budget.step=10", "budget.rounds=2",
    )  # fmt: skip
    assert answer.code == 0, answer.err
