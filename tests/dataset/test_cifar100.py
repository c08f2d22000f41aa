from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calrun.dataset.cifar100 import load
from calrun.dataset.source.transform import Transform


def pixels(num_rows: int) -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(num_rows, 3 * 32 * 32), dtype=np.uint8)


def test_fine_labels_and_upright_pictures(write_cifar100: Callable[..., None], tmp_path: Path) -> None:
    write_cifar100(tmp_path, (pixels(3), [0, 2, 1]), (pixels(2), [1, 0]))
    dataset = load(str(tmp_path), Transform([0.0], [1.0]), download=False)
    ((_, x),) = dataset.train.batches(np.arange(3), 3)
    torch.testing.assert_close(x, torch.from_numpy(pixels(3).reshape(3, 3, 32, 32) / 255).float())
    assert dataset.class_names == ["class 0", "class 1", "class 2"]
    assert [source.targets.tolist() for source in (dataset.train, dataset.tests["test"])] == [[0, 2, 1], [1, 0]]


def test_absent_files_are_asked_for_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"put train, test and meta of CIFAR100 into {tmp_path}/cifar-100-python, or"):
        load(str(tmp_path), Transform([0.0], [1.0]), download=False)


def test_files_of_a_wrong_checksum_are_never_unpickled(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for name in ("train", "test", "meta"):
        (folder / name).write_bytes(b"cos\nsystem\n(S'touch unpickled'\ntR.")
    with pytest.raises(ValueError, match="absent or incomplete"):
        load(str(tmp_path), Transform([0.0], [1.0]), download=False)


def test_a_run_with_a_long_tail_as_its_user_types_it(
    write_cifar100: Callable[..., None], calrun: Callable[..., Any], tmp_path: Path
) -> None:
    write_cifar100(tmp_path, (pixels(60), [*range(3)] * 20), (pixels(6), [*range(3)] * 2))
    answer = calrun(
        "run", "dataset=cifar100", f"paths.data={tmp_path}", "row_transform=imbalance", "row_transform.ratio=5",
        "model=mlp", "trainer=cpu", "trainer.max_epochs=1", "stop=fixed_epochs", "record.metrics=[top5]",
        "budget.start=0.5", "budget.step=0.2", "budget.rounds=2", "acquisition=margin",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    (items,) = (tmp_path / "outputs").rglob("train_items.txt")
    assert len(items.read_text().split()) == 20 + 8 + 4
    (lines,) = (tmp_path / "outputs").rglob("rounds.jsonl")
    assert '"top5": 1.0' in lines.read_text()
